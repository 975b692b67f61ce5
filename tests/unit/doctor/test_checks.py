"""Each check of the doctor: ok on a deployment that works, and what it says when something is broken on purpose."""

import functools
import shlex
from datetime import timedelta
from typing import Any

import pytest

from job_ledger.command.doctor import table_lines
from job_ledger.doctor.deployment import Resource
from job_ledger.doctor.findings import Status
from job_ledger.doctor.run import ALL_CHECKS, Result, run_checks
from job_ledger.doctor.sources import CHECKS as SOURCES
from testing.processes import run
from tests.unit.doctor import recorded
from tests.unit.doctor.recorded import ACCOUNT, DENIED, NOW, OUTPUTS, alarm, deployed, health

CHECKS = {check.name: check for check in ALL_CHECKS}
STALE = {"AsOf": "2026-11-30T10:00:00.000Z", "AgeSeconds": 7200.0}
DENYING = {"Name": "AccessDeniedException", "At": "2026-11-30T11:59:00.000Z"}
NEVER = {"AsOf": None, "AgeSeconds": None, "LastError": DENYING}
LONG_AGO = NOW - timedelta(hours=2)


def each(operation, member, asked, make):
    """An answer with something for each name that is asked for."""
    return {operation: lambda p: {member: [make(name) for name in p[asked]]}}


def alarms(**changed):
    made = functools.partial(alarm, **changed)
    return each("cloudwatch.DescribeAlarms", "MetricAlarms", "AlarmNames", made)


def simulated(**result):
    def denied(name):
        return {"EvalActionName": name, "EvalDecision": "implicitDeny"} | result

    return each("iam.SimulatePrincipalPolicy", "EvaluationResults", "ActionNames", denied)


def functions(changed):
    """Functions of which some differ."""

    def answer(p):
        return recorded.function("f", **changed(p["FunctionName"]))

    return {"lambda.GetFunctionConfiguration": answer}


def ledger(**changed):
    return {"dynamodb.DescribeTable": lambda p: recorded.table("ledger", **changed)}


def key(state):
    return {"kms.DescribeKey": {"KeyMetadata": {"KeyId": "k", "KeyState": state}}}


def counted(**values):
    return {"cloudwatch.GetMetricData": recorded.metrics(**values)}


def caller(arn):
    return {"sts.GetCallerIdentity": {"Arn": f"arn:aws:{arn.format(ACCOUNT)}"}, "GET /jobs": DENIED}


def healthy(status=200, **changed):
    return {"GET /health": (status, health(**changed))}


def outputs(*problems):
    """A page of jobs with these problems, the newest first; None is an output that was read."""
    made = [{"Problem": name} if name else {"InputFileCount": 1} for name in problems]
    page = {"ComprehendMedicalAsyncJobPropertiesList": [{}, *({"Output": it} for it in made)]}
    return {"GET /jobs": (200, page)}


NO_LINES: dict[str, Any] = {"logs.DescribeLogStreams": {"logStreams": []}}
OUTSIDE = {"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}}
BOUNDARY = {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}}
DISABLED = {"State": "DISABLED", "ScheduleExpression": "rate(1 minute)", "CreationDate": NOW}
PENDING = recorded.subscription("email", "b@example.org", "PendingConfirmation")
# fmt: off
# The check; what AWS and the API answer instead; what the finding says, and what mends it.
BROKEN = [
    ("version", {"GET /openapi.json": (200, {"info": {"version": "0.9"}})}, "0.9", "pip"),
    ("functions", functions(lambda name: {"LastUpdateStatus": "Failed"}), "Not ready: ", "make deploy"),
    ("functions", functions(lambda name: {"CodeSha256": "two" if "Sync" in name else "one"}), "different states",
     "make deploy"),
    ("first sync", healthy(503, **NEVER), "No sync of SNOMEDCT, PHI has ended", "#ledger-stale"),
    ("read the API", {"GET /summary": DENIED}, "may not call /summary: the policy ReaderPolicyArn",
     "attach-role-policy --role-name analyst --policy-arn " + OUTPUTS["ReaderPolicyArn"]),
    ("read the API", caller("iam::{}:user/team/ann"), "/jobs", "attach-user-policy --user-name ann"),
    ("read the API", caller("sts::{}:assumed-role/AWSReservedSSO_Dev_1/me"), "/jobs", "IAM Identity Center"),
    ("read the API", {"GET /jobs": (403, {"detail": "The signature is not valid."})},
     "The signature is not valid. (/jobs)", "docs/api.md"),
    ("read the API", {"GET /board": (500, {})}, "GET /board answers 500", "#api-errors"),
    ("publish digests", {"POST /digests": DENIED}, "PublisherPolicyArn is missing", OUTPUTS["PublisherPolicyArn"]),
    ("age of the ledger", {"GET /health": (503, {**health(**STALE), "Status": None, "status": 503})},
     "stale; its age is SNOMEDCT 2h 00m", "#ledger-stale"),
    ("sync errors", healthy(LastError=DENYING), "SNOMEDCT AccessDeniedException", "#sync-failing"),
    ("refused to functions", simulated(**OUTSIDE), "comprehendmedical:ListPHIDetectionJobs (a service control policy)",
     "#sync-failing"),
    ("refused to functions", simulated(**BOUNDARY), "sns:Publish (a permissions boundary)", "#sync-failing"),
    ("refused to functions", simulated(),
     "Refused to the functions: comprehendmedical:ListSNOMEDCTInferenceJobs (IAM), compre", "#sync-failing"),
    ("schedules", {"scheduler.GetSchedule": DISABLED}, "Disabled: ", "#enable-a-schedule"),
    ("sync runs", counted(SyncSeconds=0), "No sync has run", "#enable-a-schedule"),
    ("event sources", {"lambda.GetEventSourceMapping": {"State": "Disabled"}}, "disabled",
     "aws lambda update-event-source-mapping"),
    ("event sources", {"lambda.GetEventSourceMapping": {
        "State": "Enabled", "LastProcessingResult": "PROBLEM: Function call failed"}}, "The last batch",
     "#events-undelivered"),
    ("function errors", counted(Errors=3), "3 errors", "#function-errors"),
    ("function errors", counted(Throttles=2), "2 throttles", "#function-throttled"),
    ("concurrency", counted(UnreservedConcurrentExecutions=950), "50 of 1,000", "#function-throttled"),
    ("dead letters", {"sqs.GetQueueAttributes": {"Attributes": {"ApproximateNumberOfMessagesNotVisible": "2"}}},
     "2 in Digest/Undelivered", "#dead-letters"),
    ("board widget", {"lambda.Invoke": "AccessDeniedException"}, "lambda:InvokeFunction", "docs/board.md"),
    ("outputs", outputs("AccessDenied", "AccessDenied", "ManifestNotFound", None),
     "1 of the 4 newest outputs were read, and not: 2 × AccessDenied, 1 × ManifestNotFound.", "#outputs-failing"),
    ("digest subscribers", {"sns.ListSubscriptionsByTopic": {"Subscriptions": [PENDING]}},
     "Not confirmed, so nothing is sent to: b@example.org", "Open the link"),
    ("digests", counted(DigestFailures=1), "failed", "#digest-failed"),
    ("alert rule", {"events.DescribeRule": {"State": "DISABLED"}}, "disabled",
     "aws events enable-rule --name JobAlertsRule0185272A"),
    ("alert rule", {"events.ListTargetsByRule": {}}, "no target", "make deploy"),
    ("alert rule", {"events.ListTargetsByRule": {"Targets": [{"Id": "1", "Arn": "a"}]}}, "no queue", "make deploy"),
    ("alarms", alarms(StateValue="ALARM"), "In ALARM: syncs fail again and again", "docs/runbook.md#sync-failing"),
    ("alarms", {"cloudwatch.DescribeAlarms": {"MetricAlarms": []}}, "do not exist", "make deploy"),
    ("alarms", alarms(ActionsEnabled=False), "send no notification",
     "aws cloudwatch enable-alarm-actions --alarm-names "),
    ("alarm data", alarms(StateValue="INSUFFICIENT_DATA", StateUpdatedTimestamp=LONG_AGO),
     "Without data for over an hour", "#metrics"),
    ("metrics", counted(AsOfAgeSeconds=0), "No metric of SNOMEDCT, PHI", "#ledger-stale"),
    ("access logs", {"apigateway.GetAccount": {}}, "no role", "#access-logs"),
    ("access logs", NO_LINES | counted(Count=7), "7 requests in the last day, and no line", "#access-logs"),
    ("recovery", {"dynamodb.DescribeContinuousBackups": {
        "ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED"}}}, "point-in-time recovery is off",
     "aws dynamodb update-continuous-backups --table-name ledger"),
    ("protection", ledger(DeletionProtectionEnabled=False), "can be deleted",
     "aws dynamodb update-table --table-name ledger --deletion-protection-enabled"),
    ("protection", ledger(TableStatus="INACCESSIBLE_ENCRYPTION_CREDENTIALS"), "INACCESSIBLE", "docs/"),
    ("table throttles", counted(WriteThrottleEvents=4), "throttled 12 req", "#table-throttled"),
    ("expiry of records", {"dynamodb.DescribeTimeToLive": {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}},
     "never expire", "aws dynamodb update-time-to-live"),
    ("key", key("Disabled"), "Disabled", "aws kms enable-key"),
    ("key", key("PendingDeletion"), "PendingDeletion", "aws kms cancel-key-deletion"),
    ("key", ledger(SSEDescription={"InaccessibleEncryptionDateTime": LONG_AGO}),
     "cannot use the key since 2026-11-30 10:00", "docs/security.md#encryption"),
]
# fmt: on
def found(name, answers=None, **more):
    """What a check finds on a deployment with these answers."""
    return CHECKS[name].run(deployed(answers, **more))


def status_of(name, answers=None, **more):
    return found(name, answers, **more).status


@pytest.mark.parametrize(
    "name, answers, meaning, mend", BROKEN, ids=[f"{name}: {said}" for name, _, said, _ in BROKEN]
)
def test_what_is_broken_on_purpose_is_a_problem_with_a_command_that_mends_it_to_be_copied(
    name, answers, meaning, mend
):
    finding = found(name, answers)
    assert finding.status is Status.PROBLEM, finding
    assert meaning in finding.meaning
    assert mend in finding.mend
    lines = [text.plain for text in table_lines(Result(name, finding))]
    assert max(map(len, lines)) <= 80
    start = next(n for n, line in enumerate(lines) if "-> " in line)
    copied = "\n".join(lines[start:]).replace("-> ", "", 1)
    if finding.mend.startswith("aws "):
        printed = run("sh", "-c", f"aws() {{ printf '%s\\n' \"$@\"; }}\n{copied}").stdout
        assert ["aws", *printed.split("\n")[:-1]] == shlex.split(finding.mend)
    else:
        assert copied.split() == finding.mend.split()


def test_every_check_is_ok_on_a_deployment_that_works_and_broken_on_purpose_above_or_below():
    results = run_checks(deployed())
    assert {r.check: r.finding for r in results if r.finding.status is not Status.OK} == {}
    below = {"stack", "clock and signature", "region"}
    never = {"event listeners", "cost"}
    same = {"alert subscribers"}  # as digest subscribers, with the other topic
    sources = {check.name for check in SOURCES}  # in test_sources
    assert {r.check for r in results} == set(CHECKS) - sources
    assert set(CHECKS) == {name for name, *_ in BROKEN} | below | never | same | sources


def test_a_stack_or_resource_that_is_not_complete_is_a_problem():
    for status in ("UPDATE_ROLLBACK_COMPLETE", "CREATE_FAILED"):
        deployment = deployed()
        deployment.stack["StackStatus"] = status
        finding = CHECKS["stack"].run(deployment)
        assert (finding.status, status in finding.meaning) == (Status.PROBLEM, True)
    deployment = deployed()
    first = deployment.resources[0]
    object.__setattr__(first, "status", "UPDATE_FAILED")
    assert first.logical_id in CHECKS["stack"].run(deployment).meaning


def test_a_clock_that_is_a_minute_off_and_a_region_without_the_service_are_problems():
    for clock, status in ((50, "ok"), (90, "problem"), (-3_600, "problem")):
        assert status_of("clock and signature", clock=timedelta(seconds=clock)) == status
    deployment = deployed(healthy(503, **NEVER))
    assert CHECKS["region"].run(deployment).status is Status.UNKNOWN  # it has it, and is silent
    deployment.stack["StackId"] = deployment.stack["StackId"].replace("eu-west-1", "eu-north-9")
    finding = CHECKS["region"].run(deployment)
    assert (finding.status, "us-east-1" in finding.meaning) == (Status.PROBLEM, True)


def test_outputs_are_ok_when_most_were_read_when_none_was_yet_and_without_the_setting():
    for problems, meaning in (
        ((), "The newest jobs have no output yet"),
        ((None, None), "2 of the 2 newest outputs were read."),
        ((None, "TooLarge"), "1 of the 2 newest outputs were read, and not: 1 × TooLarge."),
        ((*[None] * 20, *["TooLarge"] * 70), "20 of the 20 newest outputs were read."),
    ):
        finding = found("outputs", outputs(*problems))
        assert (finding.status, meaning in finding.meaning) == (Status.OK, True), finding
    deployment = deployed(outputs("TooLarge"))
    listed = deployment.stack["Outputs"]
    deployment.stack["Outputs"] = [o for o in listed if o["OutputKey"] != "OutputsFunctionName"]
    assert "outputBuckets is not set" in CHECKS["outputs"].run(deployment).meaning


def test_the_first_syncs_outcome_is_the_output_of_the_stack():
    for outcome, never, status in (
        ("succeeded", {}, "ok"),
        ("failed: PHI AccessDeniedException", {}, "ok"),
        ("unfinished: PHI DeadlineReached", NEVER, "problem"),
        ("failed: PHI AccessDeniedException", NEVER, "problem"),
    ):
        finding = found("first sync", healthy(**never), FirstSync=outcome)
        assert (finding.status, outcome in finding.meaning) == (status, True)


def test_alerts_that_wait_for_long_are_a_problem():
    queue = Resource("JobAlertsWaiting1", "https://sqs/1/w", "AWS::SQS::Queue", "CREATE_COMPLETE")
    for age, status in ((600, "ok"), (3_600, "problem")):
        deployment = deployed(counted(ApproximateAgeOfOldestMessage=age))
        deployment.resources += (queue,)
        finding = CHECKS["alert rule"].run(deployment)
        assert (finding.status, "60 minutes" in finding.meaning) == (status, age == 3_600)


def test_what_is_no_failure_or_a_choice_is_no_problem():
    for name in ("WalkOvertaken", "DeadlineReached"):
        overtaken = healthy(LastError={"Name": name, "At": "2026-11-30T11:59:00.000Z"})
        assert status_of("sync errors", overtaken) is Status.OK
    finding = found("alert subscribers", {"sns.ListSubscriptionsByTopic": {"Subscriptions": []}})
    assert (finding.status, "no subscribers" in finding.meaning) == (Status.OK, True)
    assert finding.mend.startswith("aws sns subscribe")
    # A ledger that was to go with its stack.
    without = {"cloudformation.GetTemplate": recorded.template()}
    assert status_of("protection", without | ledger(DeletionProtectionEnabled=False)) is Status.OK
    assert status_of("access logs", NO_LINES | counted(Count=0)) is Status.UNKNOWN


def test_a_new_alarm_may_wait_for_data_as_long_as_it_evaluates():
    for hours, treatment, status in (
        *((2, "missing", "ok"), (35, "missing", "ok"), (37, "missing", "problem")),
        (37, "notBreaching", "ok"),
    ):
        created = NOW - timedelta(hours=hours)
        new = alarms(
            StateValue="INSUFFICIENT_DATA", TreatMissingData=treatment, Period=3_600, EvaluationPeriods=36,
            StateUpdatedTimestamp=created, AlarmConfigurationUpdatedTimestamp=created,
        )  # fmt: skip
        assert status_of("alarm data", new) == status, hours


def test_the_sections_of_the_alarms_the_next_digest_and_the_rules_that_listen_are_named():
    ringing = [
        alarm(title, StateValue="ALARM", AlarmDescription=f"What to do: docs/runbook.md#{title}")
        for title in ("sync-failing", "api-slow", "sync-failing")
    ]
    mend = found("alarms", {"cloudwatch.DescribeAlarms": {"MetricAlarms": ringing}}).mend
    assert mend == "docs/runbook.md#sync-failing, docs/runbook.md#api-slow"
    assert found("digests").meaning == (
        "The last digest covers the time to 2026-11-30 06:58 UTC."
        " The next is due at 2026-12-01 07:00 UTC."
    )
    assert "loads" in found("event listeners").meaning


def test_the_cost_is_the_sum_of_what_the_metrics_count():
    million = counted(Invocations=1e6, ConsumedWriteCapacityUnits=1e6, Count=1e6, EventsSent=1e6)
    deployment = deployed(million)
    lambdas = 0.2 * len(deployment.of_kind("AWS::Lambda::Function"))
    alarms = 0.1 * len(deployment.of_kind("AWS::CloudWatch::Alarm"))
    # Writes of a table, its index and another table; two GiB.
    parts = {"Lambda": lambdas, "DynamoDB": 2.775, "API": 3.5, "metrics": 4.2, "alarms": alarms}
    parts |= {"key": 1.0, "events": 1.0}
    meaning = CHECKS["cost"].run(deployment).meaning
    assert {name for name, dollars in parts.items() if f"{name} {dollars:.2f}" in meaning} == {
        *parts
    }
    assert meaning.startswith(f"About ${sum(parts.values()):.2f} for the last 30 days")


@pytest.mark.parametrize(
    "call", sorted(set(recorded.HEALTHY) - {"lambda.Invoke", "sts.GetCallerIdentity"})
)
def test_a_missing_permission_is_named_and_stops_no_other_check(call):
    results = run_checks(deployed({call: "AccessDeniedException"}))
    service, operation = call.split(".")
    action = "apigateway:GET" if service == "apigateway" else f"{service}:{operation}"
    unknown = [r.finding for r in results if r.finding.status is not Status.OK]
    # The first two are called before, and the template is read of a table without protection only.
    used = operation not in ("DescribeStacks", "ListStackResources", "GetTemplate")
    expected = {(Status.UNKNOWN, action)} if used else set()
    assert {(f.status, f.permission) for f in unknown} == expected
