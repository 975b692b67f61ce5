"""The infrastructure of Job Ledger: one stack, one file for each noun in it."""
