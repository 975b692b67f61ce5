"""Each check of the doctor: ok on a deployment that works, and what it says when something is broken on purpose."""

from datetime import timedelta

import pytest

from job_ledger.doctor.deployment import Resource
from job_ledger.doctor.findings import Status
from job_ledger.doctor.run import ALL_CHECKS, run_checks
from tests.unit.doctor.recorded import (
    ACCOUNT,
    DENIED,
    HEALTHY,
    NOW,
    OUTPUTS,
    Answer,
    alarm,
    deployed,
    function,
    health,
    metrics,
    subscription,
    table,
    template,
)

CHECKS = {check.name: check for check in ALL_CHECKS}
STALE = {"AsOf": "2026-11-30T10:00:00.000Z", "AgeSeconds": 7200.0}
DENYING = {"Name": "AccessDeniedException", "At": "2026-11-30T11:59:00.000Z"}
NEVER = {"AsOf": None, "AgeSeconds": None, "LastError": DENYING}
LONG_AGO = NOW - timedelta(hours=2)


def alarms(**changed):
    return lambda p: {"MetricAlarms": [alarm(name, **changed) for name in p["AlarmNames"]]}


def simulated(**result):
    return lambda p: {
        "EvaluationResults": [
            {"EvalActionName": name, "EvalDecision": "implicitDeny", **result}
            for name in p["ActionNames"]
        ]
    }


def key(state):
    return {"kms.DescribeKey": {"KeyMetadata": {"KeyId": "k", "KeyState": state}}}


def counted(**values):
    return {"cloudwatch.GetMetricData": metrics(**values)}


# The check; what AWS and the API answer instead; what the finding says, and what mends it.
BROKEN = [
    ("version", {}, {"GET /openapi.json": (200, {"info": {"version": "0.9"}})}, "0.9", "pip"),
    (
        "functions",
        {"lambda.GetFunctionConfiguration": lambda p: function("f", LastUpdateStatus="Failed")},
        {},
        "Not ready: ",
        "make deploy",
    ),
    (
        "functions",
        {
            "lambda.GetFunctionConfiguration": lambda p: function(
                "f", CodeSha256="two" if "Sync" in p["FunctionName"] else "one"
            )
        },
        {},
        "different states",
        "make deploy",
    ),
    (
        "first sync",
        {},
        {"GET /health": (503, health(**NEVER))},
        "No sync of SNOMEDCT, PHI has ended",
        "#ledger-stale",
    ),
    (
        "read the API",
        {},
        {"GET /summary": DENIED},
        "may not call /summary: the policy ReaderPolicyArn",
        "attach-role-policy --role-name analyst --policy-arn " + OUTPUTS["ReaderPolicyArn"],
    ),
    (
        "read the API",
        {"sts.GetCallerIdentity": {"Arn": f"arn:aws:iam::{ACCOUNT}:user/team/ann"}},
        {"GET /jobs": DENIED},
        "/jobs",
        "attach-user-policy --user-name ann",
    ),
    (
        "read the API",
        {
            "sts.GetCallerIdentity": {
                "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_Dev_1/me"
            }
        },
        {"GET /jobs": DENIED},
        "/jobs",
        "IAM Identity Center",
    ),
    (
        "read the API",
        {},
        {"GET /jobs": (403, {"detail": "The signature is not valid."})},
        "The signature is not valid. (/jobs)",
        "docs/api.md",
    ),
    ("read the API", {}, {"GET /board": (500, {})}, "GET /board answers 500", "#api-errors"),
    (
        "publish digests",
        {},
        {"POST /digests": DENIED},
        "PublisherPolicyArn is missing",
        OUTPUTS["PublisherPolicyArn"],
    ),
    (
        "age of the ledger",
        {},
        {"GET /health": (503, {**health(**STALE), "Status": None, "status": 503})},
        "stale; its age is SNOMEDCT 2h 00m",
        "#ledger-stale",
    ),
    (
        "sync errors",
        {},
        {"GET /health": (200, health(LastError=DENYING))},
        "SNOMEDCT AccessDeniedException",
        "#sync-failing",
    ),
    (
        "refused to functions",
        {
            "iam.SimulatePrincipalPolicy": simulated(
                OrganizationsDecisionDetail={"AllowedByOrganizations": False}
            )
        },
        {},
        "comprehendmedical:ListPHIDetectionJobs (a service control policy)",
        "#sync-failing",
    ),
    (
        "refused to functions",
        {
            "iam.SimulatePrincipalPolicy": simulated(
                PermissionsBoundaryDecisionDetail={"AllowedByPermissionsBoundary": False}
            )
        },
        {},
        "sns:Publish (a permissions boundary)",
        "#sync-failing",
    ),
    (
        "refused to functions",
        {"iam.SimulatePrincipalPolicy": simulated()},
        {},
        "Refused to the functions: comprehendmedical:ListSNOMEDCTInferenceJobs (IAM), compre",
        "#sync-failing",
    ),
    (
        "schedules",
        {
            "scheduler.GetSchedule": {
                "State": "DISABLED",
                "ScheduleExpression": "rate(1 minute)",
                "CreationDate": NOW,
            }
        },
        {},
        "Disabled: ",
        "#enable-a-schedule",
    ),
    ("sync runs", counted(SyncSeconds=0), {}, "No sync has run", "#enable-a-schedule"),
    (
        "event sources",
        {"lambda.GetEventSourceMapping": {"State": "Disabled"}},
        {},
        "disabled",
        "aws lambda update-event-source-mapping",
    ),
    (
        "event sources",
        {
            "lambda.GetEventSourceMapping": {
                "State": "Enabled",
                "LastProcessingResult": "PROBLEM: Function call failed",
            }
        },
        {},
        "The last batch",
        "#events-undelivered",
    ),
    ("function errors", counted(Errors=3), {}, "3 errors", "#function-errors"),
    ("function errors", counted(Throttles=2), {}, "2 throttles", "#function-throttled"),
    (
        "concurrency",
        counted(UnreservedConcurrentExecutions=950),
        {},
        "50 of 1,000",
        "#function-throttled",
    ),
    (
        "dead letters",
        {"sqs.GetQueueAttributes": {"Attributes": {"ApproximateNumberOfMessagesNotVisible": "2"}}},
        {},
        "2 in Digest/Undelivered",
        "#dead-letters",
    ),
    (
        "board widget",
        {"lambda.Invoke": "AccessDeniedException"},
        {},
        "lambda:InvokeFunction",
        "docs/board.md",
    ),
    (
        "digest subscribers",
        {
            "sns.ListSubscriptionsByTopic": {
                "Subscriptions": [subscription("email", "b@example.org", "PendingConfirmation")]
            }
        },
        {},
        "Not confirmed, so nothing is sent to: b@example.org",
        "Open the link",
    ),
    ("digests", counted(DigestFailures=1), {}, "failed", "#digest-failed"),
    (
        "alert rule",
        {"events.DescribeRule": {"State": "DISABLED"}},
        {},
        "disabled",
        "aws events enable-rule --name JobAlertsRule0185272A",
    ),
    ("alert rule", {"events.ListTargetsByRule": {}}, {}, "no target", "make deploy"),
    (
        "alert rule",
        {"events.ListTargetsByRule": {"Targets": [{"Id": "1", "Arn": "a"}]}},
        {},
        "no queue",
        "make deploy",
    ),
    (
        "alarms",
        {"cloudwatch.DescribeAlarms": alarms(StateValue="ALARM")},
        {},
        "In ALARM: syncs fail again and again",
        "docs/runbook.md#sync-failing",
    ),
    (
        "alarms",
        {"cloudwatch.DescribeAlarms": {"MetricAlarms": []}},
        {},
        "do not exist",
        "make deploy",
    ),
    (
        "alarms",
        {"cloudwatch.DescribeAlarms": alarms(ActionsEnabled=False)},
        {},
        "send no notification",
        "aws cloudwatch enable-alarm-actions --alarm-names ",
    ),
    (
        "alarm data",
        {
            "cloudwatch.DescribeAlarms": alarms(
                StateValue="INSUFFICIENT_DATA", StateUpdatedTimestamp=LONG_AGO
            )
        },
        {},
        "Without data for over an hour",
        "#metrics",
    ),
    ("metrics", counted(AsOfAgeSeconds=0), {}, "No metric of SNOMEDCT, PHI", "#ledger-stale"),
    ("access logs", {"apigateway.GetAccount": {}}, {}, "no role", "#access-logs"),
    (
        "access logs",
        {"logs.DescribeLogStreams": {"logStreams": []}, **counted(Count=7)},
        {},
        "7 requests in the last day, and no line",
        "#access-logs",
    ),
    (
        "recovery",
        {
            "dynamodb.DescribeContinuousBackups": {
                "ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED"}
            }
        },
        {},
        "point-in-time recovery is off",
        "aws dynamodb update-continuous-backups --table-name ledger",
    ),
    (
        "protection",
        {"dynamodb.DescribeTable": lambda p: table("ledger", DeletionProtectionEnabled=False)},
        {},
        "can be deleted",
        "aws dynamodb update-table --table-name ledger --deletion-protection-enabled",
    ),
    (
        "protection",
        {
            "dynamodb.DescribeTable": lambda p: table(
                "ledger", TableStatus="INACCESSIBLE_ENCRYPTION_CREDENTIALS"
            )
        },
        {},
        "INACCESSIBLE",
        "docs/",
    ),
    ("table throttles", counted(WriteThrottleEvents=4), {}, "throttled 12 req", "#table-throttled"),
    (
        "expiry of records",
        {
            "dynamodb.DescribeTimeToLive": {
                "TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}
            }
        },
        {},
        "never expire",
        "aws dynamodb update-time-to-live",
    ),
    ("key", key("Disabled"), {}, "Disabled", "aws kms enable-key"),
    ("key", key("PendingDeletion"), {}, "PendingDeletion", "aws kms cancel-key-deletion"),
    (
        "key",
        {
            "dynamodb.DescribeTable": lambda p: table(
                "ledger", SSEDescription={"InaccessibleEncryptionDateTime": LONG_AGO}
            )
        },
        {},
        "cannot use the key since 2026-11-30 10:00",
        "docs/security.md#encryption",
    ),
]


def test_every_check_is_ok_on_a_deployment_that_works():
    results = run_checks(deployed())
    assert {r.check: r.finding for r in results if r.finding.status is not Status.OK} == {}


@pytest.mark.parametrize(
    "name, answers, documents, meaning, mend",
    BROKEN,
    ids=[f"{name}: {meaning}" for name, *_, meaning, _ in BROKEN],
)
def test_what_is_broken_on_purpose_is_a_problem_with_what_mends_it(
    name, answers, documents, meaning, mend
):
    finding = CHECKS[name].run(deployed(answers, documents))
    assert finding.status is Status.PROBLEM, finding
    assert meaning in finding.meaning
    assert mend in finding.mend


def test_every_check_that_can_find_a_problem_is_broken_on_purpose():
    elsewhere = {"stack", "clock and signature", "region"}
    never = {"event listeners", "cost"}
    same = {"alert subscribers"}  # as digest subscribers, with the other topic
    assert set(CHECKS) == {name for name, *_ in BROKEN} | elsewhere | never | same


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_COMPLETE", "CREATE_FAILED"])
def test_a_stack_that_is_not_complete_is_a_problem(status):
    deployment = deployed()
    deployment.stack["StackStatus"] = status
    finding = CHECKS["stack"].run(deployment)
    assert (finding.status, status in finding.meaning) == (Status.PROBLEM, True)


def test_a_resource_that_is_not_complete_is_a_problem():
    deployment = deployed()
    first = deployment.resources[0]
    object.__setattr__(first, "status", "UPDATE_FAILED")
    assert first.logical_id in CHECKS["stack"].run(deployment).meaning


@pytest.mark.parametrize("clock, status", [(50, "ok"), (90, "problem"), (-3_600, "problem")])
def test_a_clock_that_is_a_minute_off_is_a_problem(clock, status):
    finding = CHECKS["clock and signature"].run(deployed(clock=timedelta(seconds=clock)))
    assert finding.status == status


def test_a_region_without_the_service_is_a_problem_until_it_has_answered():
    deployment = deployed(documents={"GET /health": (503, health(**NEVER))})
    assert CHECKS["region"].run(deployment).status is Status.UNKNOWN  # it has it, and is silent
    deployment.stack["StackId"] = deployment.stack["StackId"].replace("eu-west-1", "eu-north-9")
    finding = CHECKS["region"].run(deployment)
    assert (finding.status, "us-east-1" in finding.meaning) == (Status.PROBLEM, True)


@pytest.mark.parametrize(
    "outcome, documents, status",
    [
        ("succeeded", health(), "ok"),
        ("failed: PHI AccessDeniedException", health(), "ok"),
        ("unfinished: PHI DeadlineReached", health(**NEVER), "problem"),
        ("failed: PHI AccessDeniedException", health(**NEVER), "problem"),
    ],
)
def test_the_first_syncs_outcome_is_the_output_of_the_stack(outcome, documents, status):
    deployment = deployed(documents={"GET /health": (200, documents)}, FirstSync=outcome)
    finding = CHECKS["first sync"].run(deployment)
    assert (finding.status, outcome in finding.meaning) == (status, True)


@pytest.mark.parametrize("name", ["WalkOvertaken", "DeadlineReached"])
def test_a_sync_that_another_overtook_is_no_failure(name):
    overtaken = health(LastError={"Name": name, "At": "2026-11-30T11:59:00.000Z"})
    finding = CHECKS["sync errors"].run(deployed(documents={"GET /health": (200, overtaken)}))
    assert finding.status is Status.OK


@pytest.mark.parametrize("age, status", [(600, "ok"), (3_600, "problem")])
def test_alerts_that_wait_for_long_are_a_problem(age, status):
    deployment = deployed(counted(ApproximateAgeOfOldestMessage=age))
    queue = Resource("JobAlertsWaiting1", "https://sqs/1/w", "AWS::SQS::Queue", "CREATE_COMPLETE")
    deployment.resources += (queue,)
    finding = CHECKS["alert rule"].run(deployment)
    assert (finding.status, "60 minutes" in finding.meaning) == (status, age == 3_600)


def test_nobody_subscribed_is_a_choice_that_is_said_with_the_command_to_subscribe():
    finding = CHECKS["alert subscribers"].run(
        deployed({"sns.ListSubscriptionsByTopic": {"Subscriptions": []}})
    )
    assert (finding.status, "no subscribers" in finding.meaning) == (Status.OK, True)
    assert finding.mend.startswith("aws sns subscribe")


def test_a_ledger_that_was_to_go_with_its_stack_needs_no_protection():
    answers: dict[str, Answer] = {
        "cloudformation.GetTemplate": template(),
        "dynamodb.DescribeTable": lambda p: table("ledger", DeletionProtectionEnabled=False),
    }
    assert CHECKS["protection"].run(deployed(answers)).status is Status.OK


def test_a_log_without_lines_and_without_requests_says_nothing_yet():
    finding = CHECKS["access logs"].run(
        deployed({"logs.DescribeLogStreams": {"logStreams": []}, **counted(Count=0)})
    )
    assert finding.status is Status.UNKNOWN


@pytest.mark.parametrize(
    "hours, treatment, status",
    [
        (2, "missing", Status.OK),
        (35, "missing", Status.OK),
        (37, "missing", Status.PROBLEM),
        (37, "notBreaching", Status.OK),
    ],
)
def test_a_new_alarm_may_wait_for_data_as_long_as_it_evaluates(hours, treatment, status):
    created = NOW - timedelta(hours=hours)
    new = alarms(
        StateValue="INSUFFICIENT_DATA",
        StateUpdatedTimestamp=created,
        AlarmConfigurationUpdatedTimestamp=created,
        TreatMissingData=treatment,
        Period=3_600,
        EvaluationPeriods=36,
    )
    assert CHECKS["alarm data"].run(deployed({"cloudwatch.DescribeAlarms": new})).status is status


def test_each_alarm_that_rings_has_its_section_of_the_runbook():
    titles = ["sync-failing", "api-slow", "sync-failing"]
    ringing = [
        alarm(str(n), StateValue="ALARM", AlarmDescription=f"What to do: docs/runbook.md#{title}")
        for n, title in enumerate(titles)
    ]
    answer: dict[str, Answer] = {"cloudwatch.DescribeAlarms": {"MetricAlarms": ringing}}
    mend = CHECKS["alarms"].run(deployed(answer)).mend
    assert mend == "docs/runbook.md#sync-failing, docs/runbook.md#api-slow"


def test_the_next_digest_is_due_at_the_time_of_the_schedule_in_its_zone():
    meaning = CHECKS["digests"].run(deployed()).meaning
    assert meaning == (
        "The last digest covers the time to 2026-11-30 06:58 UTC."
        " The next is due at 2026-12-01 07:00 UTC."
    )


def test_the_rules_that_listen_are_named():
    assert "loads" in CHECKS["event listeners"].run(deployed()).meaning


def test_the_cost_is_the_sum_of_what_the_metrics_count():
    million = counted(Invocations=1e6, ConsumedWriteCapacityUnits=1e6, Count=1e6, EventsSent=1e6)
    deployment = deployed(million)
    lambdas = 0.2 * len(deployment.of_kind("AWS::Lambda::Function"))
    alarms = 0.1 * len(deployment.of_kind("AWS::CloudWatch::Alarm"))
    # Writes of a table, its index and another table; two GiB.
    parts = {"Lambda": lambdas, "DynamoDB": 2.775, "API": 3.5, "metrics": 4.2, "alarms": alarms}
    parts |= {"key": 1.0, "events": 1.0}
    meaning = CHECKS["cost"].run(deployment).meaning
    for name, dollars in parts.items():
        assert f"{name} {dollars:.2f}" in meaning
    assert meaning.startswith(f"About ${sum(parts.values()):.2f} for the last 30 days")


@pytest.mark.parametrize("call", sorted(set(HEALTHY) - {"lambda.Invoke", "sts.GetCallerIdentity"}))
def test_a_missing_permission_is_named_and_stops_no_other_check(call):
    results = run_checks(deployed({call: "AccessDeniedException"}))
    service, operation = call.split(".")
    action = "apigateway:GET" if service == "apigateway" else f"{service}:{operation}"
    unknown = [r.finding for r in results if r.finding.status is not Status.OK]
    used = call not in ("cloudformation.DescribeStacks", "cloudformation.ListStackResources")
    used = used and call != "cloudformation.GetTemplate"  # only without protection
    assert {(f.status, f.permission) for f in unknown} == (
        {(Status.UNKNOWN, action)} if used else set()
    )
