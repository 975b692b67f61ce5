"""Look a Comprehend Medical job up, or wait for one, while a CDK stack deploys.

    from job_ledger_lookup import ComprehendMedicalJobLookup

    nightly = ComprehendMedicalJobLookup(self, "Nightly", job_name="nightly-notes", wait_minutes=30)
    CfnOutput(self, "Codes", value=nightly.output_s3_uri)

The stack JobLedger, in the same account and region, answers.
"""

from job_ledger_lookup.lookup import ComprehendMedicalJobLookup

__all__ = ["ComprehendMedicalJobLookup"]
