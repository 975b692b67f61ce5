"""Job Ledger: a fast, filterable, permanent list of Comprehend Medical jobs."""
