"""The client of a Job Ledger, and the command `jobledger`.

    from job_ledger import JobLedger

    for job in JobLedger().jobs(family="ALL", job_status="FAILED"):
        print(job["SubmitTime"], job["JobId"])

`job_ledger.cdk` has the construct for CDK apps.
"""

from job_ledger.client import JobLedger
from job_ledger.errors import (
    ApiError,
    ConnectionFailed,
    CredentialsUnavailable,
    JobLedgerError,
    LedgerNotFound,
)

__all__ = [
    "ApiError",
    "ConnectionFailed",
    "CredentialsUnavailable",
    "JobLedger",
    "JobLedgerError",
    "LedgerNotFound",
]
