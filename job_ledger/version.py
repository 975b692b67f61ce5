"""The version of the distribution `job-ledger`."""

VERSION = "0.2.0"
