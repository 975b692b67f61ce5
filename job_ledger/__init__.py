"""The client of a Job Ledger, and the command `jobledger`.

    from job_ledger import JobLedger

    for job in JobLedger().jobs(family="ALL", job_status="FAILED"):
        print(job["SubmitTime"], job["JobId"])

`job_ledger.cdk` has the construct for CDK apps.
"""

# Type checkers know the name; the module `typing` takes longer to import than all of this.
TYPE_CHECKING = False

if TYPE_CHECKING:
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


def __getattr__(name: str) -> object:
    """Import what is used: botocore takes longer than a shell's completion may."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(
        import_module(f"job_ledger.{'client' if name == 'JobLedger' else 'errors'}"), name
    )
