"""Look a Comprehend Medical job up, or wait for one, while a CDK stack deploys.

    from job_ledger.cdk import ComprehendMedicalJobLookup

    nightly = ComprehendMedicalJobLookup(self, "Nightly", job_name="nightly-notes", wait_minutes=30)
    CfnOutput(self, "Codes", value=nightly.output_s3_uri)

The stack JobLedger, in the same account and region, answers. Needs the extra: `pip install job-ledger[cdk]`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from aws_cdk import CustomResource, Duration, Token
from aws_cdk import aws_ssm as ssm
from constructs import Construct

TOKEN_PARAMETER = "/job-ledger/lookup-service-token"

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
        family: str | Sequence[str] | None = None,
        job_name: str | None = None,
        job_name_prefix: str | None = None,
        job_status: str | Sequence[str] | None = None,
        submit_time_after: str | datetime | None = None,
        submit_time_before: str | datetime | None = None,
        select: Literal["newest", "oldest", "only"] | None = None,
        must_exist: bool = True,
        wait_minutes: float = 0,
        refresh: str | None = None,
        service_token: str | None = None,
    ) -> None:
        """Look up a job by these filters. `wait_minutes`: wait up to 120 minutes for a matching job.

        A new value of `refresh` looks up the job again. `service_token`: the output LookupServiceToken of
        the stack JobLedger, if it is not to be read from its SSM parameter.
        """
        super().__init__(scope, construct_id)
        given = {
            "Family": _listed(family),
            "JobName": job_name,
            "JobNamePrefix": job_name_prefix,
            "JobStatus": _listed(job_status),
            "SubmitTimeAfter": _time("submit_time_after", submit_time_after),
            "SubmitTimeBefore": _time("submit_time_before", submit_time_before),
            "Select": select,
            "Refresh": refresh,
        }
        properties = {name: value for name, value in given.items() if value is not None}
        token = service_token or ssm.StringParameter.value_for_string_parameter(
            self, TOKEN_PARAMETER
        )
        self._job = _chain(self, token, properties, must_exist, _waits(wait_minutes))

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
        """Family: SNOMEDCT, ICD10CM, RXNORM, ENTITIES_V2 or PHI."""
        return self._job.get_att_string("Family")

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
    must_exist: bool,
    waits: Sequence[float],
) -> CustomResource:
    """Create a resource for each wait, one after the other; return the last, which has the job."""
    before: CustomResource | None = None
    for number, minutes in enumerate(waits, start=1):
        last = number == len(waits)
        # Only the last resource fails when no job is found.
        found = {"MustExist": str(must_exist and last).lower(), "WaitMinutes": _text(minutes)}
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
    if not 0 <= minutes <= 120:
        raise ValueError(f"wait_minutes is {minutes}, but must be from 0 to 120")
    whole, rest = divmod(minutes, _MINUTES_A_RESOURCE)
    return [_MINUTES_A_RESOURCE] * int(whole) + ([rest] if rest or not whole else [])


def _text(number: float) -> str:
    return Token.as_string(number) if Token.is_unresolved(number) else f"{number:g}"


def _listed(values: str | Sequence[str] | None) -> str | list[str] | None:
    return values if values is None or isinstance(values, str) else list(values)


def _time(name: str, moment: str | datetime | None) -> str | None:
    if not isinstance(moment, datetime):
        return moment
    if moment.tzinfo is None:
        raise ValueError(f"{name} needs a time zone: {moment}")
    return moment.isoformat()
