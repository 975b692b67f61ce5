"""Digests, alerts and change events: whether they have subscribers, and are sent."""

import json
from datetime import timedelta
from typing import Any

from job_ledger.doctor.deployment import Deployment
from job_ledger.doctor.findings import Check, Finding, counted, named, ok, problem
from job_ledger.doctor.metrics import Metric, emitted, read_values
from job_ledger.schedules import next_run

# Outputs of the stack.
DIGESTS, CHAT, ALERTS = "DigestTopicArn", "ChatTopicArn", "JobAlertsTopicArn"

# Minutes. Alerts are sent each minute.
_LONGEST_WAIT = 15


def subscriptions(deployment: Deployment, output: str) -> list[dict[str, Any]]:
    """Return the subscriptions of a topic in the outputs."""
    topic = deployment.output(output)
    pages = deployment.aws.pages("sns", "ListSubscriptionsByTopic", "Subscriptions", TopicArn=topic)
    return list(pages)


def is_pending(subscription: dict[str, Any]) -> bool:
    """Whether the subscriber has not confirmed: nothing is sent to it."""
    return not subscription["SubscriptionArn"].startswith("arn:")


def _subscribers(deployment: Deployment, output: str) -> Finding:
    found = subscriptions(deployment, output)
    topic = deployment.call("sns", "GetTopicAttributes", TopicArn=deployment.output(output))
    addresses = [s["Endpoint"] for s in found if is_pending(s)]
    number = int(topic["Attributes"].get("SubscriptionsPending", 0))
    if addresses or number:
        return problem(
            f"Not confirmed, so nothing is sent to:"
            f" {named(addresses) or counted(number, 'subscription')}.",
            'Open the link in the message "AWS Notification - Subscription Confirmation"',
        )
    if not found:
        return ok(
            f"{output} exists. It has no subscribers.",
            f"aws sns subscribe --topic-arn {deployment.output(output)} --protocol email"
            " --notification-endpoint ADDRESS",
        )
    return ok(f"{counted(len(found), 'subscription')} confirmed: {_protocols(found)}.")


def _protocols(found: list[dict[str, Any]]) -> str:
    return named(sorted({s["Protocol"] for s in found}))


def digest_subscribers(deployment: Deployment) -> Finding:
    """Whether the subscriptions to digests are confirmed."""
    return _subscribers(deployment, DIGESTS)


def alert_subscribers(deployment: Deployment) -> Finding:
    """Whether the subscriptions to alerts are confirmed."""
    return _subscribers(deployment, ALERTS)


def last_digest(deployment: Deployment) -> Finding:
    """When the last digest was published, and when the next is due."""
    found = deployment.document("/digests", 404)
    name = deployment.one("AWS::Scheduler::Schedule", "DigestSchedule")
    schedule = deployment.call("scheduler", "GetSchedule", Name=name)
    due = _due(deployment, schedule)
    failures = emitted(deployment, "DigestFailures")
    if sum(read_values(deployment, [failures], timedelta(days=1))[failures]):
        return problem("A digest failed in the last day.", "docs/runbook.md#digest-failed")
    if "Window" not in found:
        return ok(f"The schedule has published no digest yet. {due}")
    end = found["Window"]["End"][:16].replace("T", " ")
    return ok(f"The last digest covers the time to {end} UTC. {due}")


def _due(deployment: Deployment, schedule: dict[str, Any]) -> str:
    if schedule["State"] != "ENABLED":
        return "No next one is due: the schedule is disabled."
    expression = schedule["ScheduleExpression"]
    zone = schedule.get("ScheduleExpressionTimezone", "UTC")
    due = next_run(expression, zone, deployment.now, schedule["CreationDate"])
    return f"The next is due at {due:%F %R} UTC." if due else f"No next one is due: {expression}."


def alert_rule(deployment: Deployment) -> Finding:
    """Whether the rule for alerts is enabled, and has its target and its queue."""
    if not (name := alert_rule_name(deployment)):
        return ok("Alerts are off: the setting alertOn is empty.")
    rule = deployment.call("events", "DescribeRule", Name=name)
    if rule["State"] == "DISABLED":
        return problem("The rule for alerts is disabled.", f"aws events enable-rule --name {name}")
    targets = deployment.call("events", "ListTargetsByRule", Rule=name).get("Targets")
    if not targets:
        return problem("The rule for alerts has no target.", "make deploy")
    if not all(target.get("DeadLetterConfig") for target in targets):
        return problem("The rule for alerts has no queue of undelivered events.", "make deploy")
    if (minutes := _oldest_alert(deployment) / 60) > _LONGEST_WAIT:
        return problem(
            f"Alerts have waited in their queue for {minutes:.0f} minutes.",
            "docs/runbook.md#dead-letters",
        )
    text = named(alerting_statuses(rule))
    return ok(f"The rule for alerts is enabled, for {text}, with its queue.")


def alert_rule_name(deployment: Deployment) -> str:
    """Return the name of the rule for alerts; an empty one when alerts are off."""
    rules = deployment.of_kind("AWS::Events::Rule", "JobAlerts")
    return rules[0].physical_id.rpartition("/")[2] if rules else ""


def alerting_statuses(rule: dict[str, Any]) -> list[str]:
    """Return the statuses of which a rule's pattern alerts."""
    statuses = json.loads(rule["EventPattern"]).get("detail", {}).get("JobStatus", [])
    return [status for status in statuses if isinstance(status, str)]


def _oldest_alert(deployment: Deployment) -> float:
    """Return for how many seconds the oldest alert has waited to be sent."""
    metrics = [
        Metric(
            "AWS/SQS",
            "ApproximateAgeOfOldestMessage",
            (("QueueName", queue.physical_id.rpartition("/")[2]),),
            "Minimum",
        )
        for queue in deployment.of_kind("AWS::SQS::Queue", "JobAlertsWaiting")
    ]
    values = read_values(deployment, metrics, timedelta(minutes=15)) if metrics else {}
    return max((value for found in values.values() for value in found), default=0.0)


def listeners(deployment: Deployment) -> Finding:
    """Which EventBridge rules receive the change events."""
    source = deployment.event_source
    own = {r.physical_id.rpartition("/")[2] for r in deployment.of_kind("AWS::Events::Rule")}
    names = []
    for rule in deployment.aws.pages("events", "ListRules", "Rules"):
        listens = source in json.loads(rule.get("EventPattern") or "{}").get("source", [])
        if listens and rule["Name"] not in own:
            disabled = "" if rule["State"] != "DISABLED" else " (disabled)"
            names.append(rule["Name"] + disabled)
    if not names:
        return ok(f"No other rule receives the change events of {source}.")
    return ok(f"Other rules that receive the change events of {source}: {named(names)}.")


CHECKS = (
    Check("digest subscribers", digest_subscribers),
    Check("digests", last_digest),
    Check("alert subscribers", alert_subscribers),
    Check("alert rule", alert_rule),
    Check("event listeners", listeners),
)
