"""Schedules, runs, errors, streams and undelivered events."""

from datetime import timedelta

from job_ledger.doctor.deployment import Deployment
from job_ledger.doctor.findings import Check, CouldNotLook, Finding, counted, named, ok, problem
from job_ledger.doctor.metrics import Metric, emitted, of_function, read_values

_HOUR = timedelta(hours=1)
# The share of the account's concurrency that must be free.
_LEFT = 0.1


def schedules(deployment: Deployment) -> Finding:
    """Whether each schedule is enabled."""
    disabled = []
    found = deployment.of_kind("AWS::Scheduler::Schedule")
    for schedule in found:
        answer = deployment.call("scheduler", "GetSchedule", Name=schedule.physical_id)
        if answer["State"] != "ENABLED":
            disabled.append(schedule.physical_id)
    if disabled:
        return problem(f"Disabled: {named(disabled)}.", "docs/operations.md#enable-a-schedule")
    return ok(f"{counted(len(found), 'schedule')} are enabled.")


def runs(deployment: Deployment) -> Finding:
    """Whether syncs run."""
    minutes = max(15, 3 * deployment.sync_minutes)
    metric = emitted(deployment, "SyncSeconds", "SampleCount")
    values = read_values(deployment, [metric], timedelta(minutes=minutes))[metric]
    number = round(sum(values))
    if not number:
        return problem(
            f"No sync has run in {minutes} minutes.", "docs/operations.md#enable-a-schedule"
        )
    return ok(f"{counted(number, 'sync')} of a family ran in the last {minutes} minutes.")


def sources(deployment: Deployment) -> Finding:
    """Whether the streams and queues that start functions are enabled, and their last batch was processed."""
    found = deployment.of_kind("AWS::Lambda::EventSourceMapping")
    for mapping in found:
        answer = deployment.call("lambda", "GetEventSourceMapping", UUID=mapping.physical_id)
        function = answer.get("FunctionArn", "").rpartition(":")[2]
        if answer["State"] not in ("Enabled", "Enabling", "Updating"):
            return problem(
                f"The events of {function} are {answer['State'].lower()}: nothing reaches it.",
                f"aws lambda update-event-source-mapping --uuid {mapping.physical_id} --enabled",
            )
        if answer.get("LastProcessingResult", "").startswith("PROBLEM"):
            return problem(
                f"The last batch of {function} failed.", "docs/runbook.md#events-undelivered"
            )
    return ok(f"{counted(len(found), 'source of events is', 'sources of events are')} enabled.")


def errors(deployment: Deployment) -> Finding:
    """Errors and throttles of the last hour."""
    names = [r.physical_id for r in deployment.of_kind("AWS::Lambda::Function")]
    metrics = {(n, m): of_function(n, m) for n in names for m in ("Errors", "Throttles")}
    values = read_values(deployment, metrics.values(), _HOUR)
    sums = {key: round(sum(values[metric])) for key, metric in metrics.items()}
    bad = [f"{name} {number} {kind.lower()}" for (name, kind), number in sums.items() if number]
    if bad:
        anchor = (
            "function-throttled" if all(b.endswith("throttles") for b in bad) else "function-errors"
        )
        return problem(f"In the last hour: {named(bad)}.", f"docs/runbook.md#{anchor}")
    return ok(f"{counted(len(names), 'function')} had no error and no throttle in the last hour.")


def concurrency(deployment: Deployment) -> Finding:
    """Whether the account has concurrent executions left."""
    limits = deployment.call("lambda", "GetAccountSettings")["AccountLimit"]
    unreserved = limits["UnreservedConcurrentExecutions"]
    metric = Metric("AWS/Lambda", "UnreservedConcurrentExecutions", (), "Maximum")
    used = max(read_values(deployment, [metric], _HOUR)[metric], default=0)
    left = unreserved - used
    text = f"{left:,.0f} of {unreserved:,} concurrent executions were left in the last hour."
    if left < _LEFT * unreserved:
        return problem(text, "docs/runbook.md#function-throttled")
    return ok(text)


def dead_letters(deployment: Deployment) -> Finding:
    """Whether the dead-letter queues are empty."""
    full = []
    queues = deployment.of_kind("AWS::SQS::Queue")
    undelivered = [queue for queue in queues if "Undelivered" in queue.logical_id]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    for queue in undelivered:
        attributes = deployment.call(
            "sqs", "GetQueueAttributes", QueueUrl=queue.physical_id, AttributeNames=names
        )["Attributes"]
        if number := sum(int(attributes.get(name, 0)) for name in names):
            full.append(f"{number} in {queue.logical_id.partition('Undelivered')[0]}/Undelivered")
    if full:
        return problem(f"Given up: {named(full)}.", "docs/runbook.md#dead-letters")
    return ok(f"{counted(len(undelivered), 'queue')} of undelivered events are empty.")


def widget(deployment: Deployment) -> Finding:
    """Whether the caller may see the board in a dashboard; a dry run does not run the function."""
    name = deployment.output("WidgetFunctionName")
    try:
        deployment.call("lambda", "Invoke", FunctionName=name, InvocationType="DryRun")
    except CouldNotLook as error:
        if not error.finding.permission:
            raise
        return problem(
            "These credentials may not open the board in a CloudWatch dashboard:"
            f" lambda:InvokeFunction on {name} is missing.",
            "docs/board.md#in-a-cloudwatch-dashboard",
        )
    return ok("These credentials may open the board in a CloudWatch dashboard.")


CHECKS = (
    Check("schedules", schedules),
    Check("sync runs", runs),
    Check("event sources", sources),
    Check("function errors", errors),
    Check("concurrency", concurrency),
    Check("dead letters", dead_letters),
    Check("board widget", widget),
)
