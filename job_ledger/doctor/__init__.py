"""The checks of `jobledger doctor`: one module for each group, one function for each check.

A check reads, with the person's own credentials, and returns a finding. It changes nothing; only
`job_ledger.doctor.send_test` sends something, when asked to.
"""
