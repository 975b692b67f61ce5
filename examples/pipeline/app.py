"""A pipeline that uses the output of a SNOMED CT job, and deploys when such a job exists."""

from aws_cdk import App, CfnOutput, Stack
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from job_ledger.cdk import ComprehendMedicalJobLookup


class PipelineStack(Stack):
    """Outputs the location of the newest nightly job's codes."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Find the job, wait for it if necessary, and output its location."""
        super().__init__(scope, construct_id)
        nightly = ComprehendMedicalJobLookup(
            self,
            "Nightly",
            family="SNOMEDCT",
            job_name=self.node.get_context("jobName"),
            job_status=["COMPLETED", "PARTIAL_SUCCESS"],
            wait_minutes=float(self.node.get_context("waitMinutes")),
            # A new value looks up the job again; without one, a deployment keeps its job.
            refresh=self.node.try_get_context("refresh"),
        )
        # A job's attribute can be any resource's property; here it is a parameter's value.
        codes = ssm.StringParameter(self, "Codes", string_value=nightly.output_s3_uri)
        CfnOutput(self, "JobId", value=nightly.job_id)
        CfnOutput(self, "SubmitTime", value=nightly.submit_time)
        CfnOutput(self, "CodesS3Uri", value=nightly.output_s3_uri)
        CfnOutput(self, "CodesParameter", value=codes.parameter_name)


app = App()
PipelineStack(app, "Pipeline")
app.synth()
