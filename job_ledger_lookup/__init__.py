"""The construct under its first name. New code imports it from `job_ledger.cdk`."""

from job_ledger.cdk import ComprehendMedicalJobLookup

__all__ = ["ComprehendMedicalJobLookup"]
