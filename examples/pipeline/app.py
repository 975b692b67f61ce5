"""A pipeline that consumes the output of a SNOMED CT job, and is deployed once there is one."""

from aws_cdk import App, CfnOutput, Stack
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from job_ledger_lookup import ComprehendMedicalJobLookup


class PipelineStack(Stack):
    """Tells its consumers where the codes of the newest nightly run are."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Find the job, waiting for it if need be, and pass its output on."""
        super().__init__(scope, construct_id)
        nightly = ComprehendMedicalJobLookup(
            self,
            "Nightly",
            family="SNOMEDCT",
            job_name=self.node.get_context("jobName"),
            job_status=["COMPLETED", "PARTIAL_SUCCESS"],
            wait_minutes=float(self.node.get_context("waitMinutes")),
            # Another value looks up anew; without one, a deployment keeps the job that it has.
            refresh=self.node.try_get_context("refresh"),
        )
        # Whatever a resource takes can be one of the job's attributes; here it is a parameter's value.
        codes = ssm.StringParameter(self, "Codes", string_value=nightly.output_s3_uri)
        CfnOutput(self, "JobId", value=nightly.job_id)
        CfnOutput(self, "SubmitTime", value=nightly.submit_time)
        CfnOutput(self, "CodesS3Uri", value=nightly.output_s3_uri)
        CfnOutput(self, "CodesParameter", value=codes.parameter_name)


app = App()
PipelineStack(app, "Pipeline")
app.synth()
