"""Handlers that a user would write without Job Ledger: each lists the jobs of one family, one page a call."""
