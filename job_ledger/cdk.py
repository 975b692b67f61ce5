"""Look a Comprehend Medical job up, or wait for one, while a CDK stack deploys.

    from job_ledger.cdk import ComprehendMedicalJobLookup

    nightly = ComprehendMedicalJobLookup(self, "Nightly", job_name="nightly-notes", wait_minutes=30)
    CfnOutput(self, "Codes", value=nightly.output_s3_uri)

The stack JobLedger, in the same account and region, answers; docs/sources.md has how it answers stacks elsewhere.
Needs the extra: `pip install job-ledger[cdk]`.

Arguments are checked at synth: a wrong one is a ValueError that says what is allowed. A token of CDK, for example a
parameter of the stack, is passed on, and checked in the deployment.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from aws_cdk import CustomResource, Duration, Token
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from job_ledger import cdk_arguments as read
from job_ledger.types import Family, JobStatus

# CloudFormation's limit for one resource is an hour. The look-up waits for up to 55 minutes.
_MINUTES_A_RESOURCE = 55


class ComprehendMedicalJobLookup(Construct):
    """One job of the ledger, found at deployment.

    The defaults are those of the resource: family SNOMEDCT, status COMPLETED, the newest job, which must
    exist, and no wait. All attributes are text, "" when the job has no value.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        family: Family | Sequence[Family] | None = None,
        job_name: str | None = None,
        job_name_prefix: str | None = None,
        job_status: JobStatus | Sequence[JobStatus] | None = None,
        submit_time_after: str | datetime | None = None,
        submit_time_before: str | datetime | None = None,
        account: str | Sequence[str] | None = None,
        region: str | Sequence[str] | None = None,
        select: Literal["newest", "oldest", "only"] | None = None,
        must_exist: bool | Literal["true", "false"] = True,
        wait_minutes: float | str = 0,
        refresh: str | None = None,
        name: str | None = None,
        service_token: str | None = None,
    ) -> None:
        """Look up a job by these filters; `account` and `region` are for a ledger of several. `wait_minutes`: wait up to 120 minutes for a matching job.

        A new value of `refresh` looks up the job again. `name`: the setting `name` of the deployment that answers,
        if it has one. `service_token`: its output LookupServiceToken, if that is not to be read from its SSM
        parameter, which another account cannot do.
        """
        super().__init__(scope, construct_id)
        given = {
            "Family": read.choices("family", family, Family),
            "JobName": read.job_name("job_name", job_name),
            "JobNamePrefix": read.job_name("job_name_prefix", job_name_prefix),
            "JobStatus": read.choices("job_status", job_status, JobStatus),
            "SubmitTimeAfter": read.time("submit_time_after", submit_time_after),
            "SubmitTimeBefore": read.time("submit_time_before", submit_time_before),
            "Account": read.accounts("account", account),
            "Region": read.regions("region", region),
            "Select": read.choice("select", select, ("newest", "oldest", "only")),
            "Refresh": refresh,
        }
        properties = {key: value for key, value in given.items() if value is not None}
        token = service_token or ssm.StringParameter.value_for_string_parameter(
            self, read.token_parameter(name)
        )
        waits = _waits(read.minutes("wait_minutes", wait_minutes))
        self._job = _chain(self, token, properties, read.truth("must_exist", must_exist), waits)

    @property
    def job_id(self) -> str:
        """JobId."""
        return self._job.get_att_string("JobId")

    @property
    def job_name(self) -> str:
        """JobName."""
        return self._job.get_att_string("JobName")

    @property
    def job_status(self) -> str:
        """JobStatus."""
        return self._job.get_att_string("JobStatus")

    @property
    def family(self) -> str:
        """Family, for example SNOMEDCT."""
        return self._job.get_att_string("Family")

    @property
    def account(self) -> str:
        """Account of the job. Only a ledger with several sources has it."""
        return self._job.get_att_string("Account")

    @property
    def region(self) -> str:
        """Region of the job. Only a ledger with several sources has it."""
        return self._job.get_att_string("Region")

    @property
    def submit_time(self) -> str:
        """SubmitTime, for example 2026-11-23T08:00:00.000Z."""
        return self._job.get_att_string("SubmitTime")

    @property
    def end_time(self) -> str:
        """EndTime, for example 2026-11-23T08:00:00.000Z."""
        return self._job.get_att_string("EndTime")

    @property
    def model_version(self) -> str:
        """ModelVersion."""
        return self._job.get_att_string("ModelVersion")

    @property
    def input_s3_uri(self) -> str:
        """InputDataConfig as s3://bucket/key."""
        return self._job.get_att_string("InputS3Uri")

    @property
    def output_s3_uri(self) -> str:
        """OutputDataConfig as s3://bucket/key."""
        return self._job.get_att_string("OutputS3Uri")

    @property
    def manifest_s3_uri(self) -> str:
        """ManifestFilePath in the output's bucket; only PARTIAL_SUCCESS jobs have one."""
        return self._job.get_att_string("ManifestS3Uri")

    @property
    def duration_seconds(self) -> str:
        """EndTime minus SubmitTime."""
        return self._job.get_att_string("DurationSeconds")

    @property
    def count(self) -> str:
        """The number of matching jobs, up to 10000; "0" when MustExist is false and none match."""
        return self._job.get_att_string("Count")


def _chain(
    scope: Construct,
    token: str,
    properties: dict[str, Any],
    must_exist: str,
    waits: Sequence[float],
) -> CustomResource:
    """Create a resource for each wait, one after the other; return the last, which has the job."""
    before: CustomResource | None = None
    for number, minutes in enumerate(waits, start=1):
        last = number == len(waits)
        # Only the last resource fails when no job is found.
        found = {"MustExist": must_exist if last else "false", "WaitMinutes": _text(minutes)}
        resource = CustomResource(
            scope,
            "Job" if last else f"Wait{number}",
            resource_type="Custom::ComprehendMedicalJob",
            service_token=token,
            service_timeout=Duration.hours(1),
            properties={**properties, **found},
        )
        if before:
            resource.node.add_dependency(before)
        before = resource
    assert before
    return before


def _waits(minutes: float) -> list[float]:
    """Return the waits of the resources that together wait for the given minutes."""
    if Token.is_unresolved(minutes):
        return [minutes]
    whole, rest = divmod(minutes, _MINUTES_A_RESOURCE)
    return [_MINUTES_A_RESOURCE] * int(whole) + ([rest] if rest or not whole else [])


def _text(number: float) -> str:
    return Token.as_string(number) if Token.is_unresolved(number) else f"{number:g}"
