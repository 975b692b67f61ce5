"""The infrastructure of Job Ledger: one stack, with one module per construct."""
