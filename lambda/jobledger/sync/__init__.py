"""Copying the job lists of Comprehend Medical into the ledger."""
