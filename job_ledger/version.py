"""The version of the distribution `job-ledger`."""

VERSION = "1.0.0"
