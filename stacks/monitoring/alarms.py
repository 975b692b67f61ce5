"""Every alarm of the deployment, each with the section of the runbook that says what to do.

An alarm means that a person should look. Thresholds leave room for failures that heal by themselves: a failed sync
is repeated a minute later, a throttled call is retried. Each alarm notifies when it starts and when it ends.

Two alarms fire when a function reports nothing. They notify when their data ends, instead of treating missing data as
breaching: a first deployment has no data yet. CloudWatch creates an alarm in the state INSUFFICIENT_DATA, so staying in
that state is not a change and sends no notification.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs

from job_ledger.schedules import longest_gap
from stacks.monitoring.alarm import Alarm
from stacks.monitoring.metrics import EmittedMetrics
from stacks.settings import Settings

_FIVE_MINUTES = Duration.minutes(5)
# The missed syncs after which GET /health reports a stale ledger.
_STALE_SYNCS = 10
# Part of a function's time limit; a longer run is about to be cut off.
_NEAR_TIMEOUT = 0.8
# The longest time over which CloudWatch evaluates an alarm with periods of an hour or more (PutMetricAlarm).
_LONGEST_EVALUATION = timedelta(days=7)


def sync_alarms(emitted: EmittedMetrics, settings: Settings) -> Iterator[Alarm]:
    """Yield the alarms for the sync and its counters."""
    period = Duration.minutes(5 * settings.sync_minutes)
    for family in settings.families:
        yield Alarm(
            construct_id=f"LedgerStale{family.replace('_', '')}Alarm",
            title="Ledger stale",
            meaning=f"the ledger's {family} jobs have missed {_STALE_SYNCS} syncs, or the sync reports nothing"
            " (no data)",
            metric=emitted.metric("AsOfAgeSeconds", "Maximum", family=family).with_(period=period),
            threshold=_STALE_SYNCS * settings.sync_minutes * 60,
            periods=2,
            notify_without_data=True,
        )
    yield Alarm(
        construct_id="SyncFailingAlarm",
        title="Sync failing",
        meaning="syncs fail again and again",
        metric=emitted.metric("SyncFailures", "Sum").with_(period=period),
        threshold=1,
        periods=3,
    )
    yield Alarm(
        construct_id="CountersRepairedAlarm",
        title="Counters repaired",
        meaning="the daily check found totals that differ from the jobs, and corrected them",
        metric=emitted.metric("CountersRepaired", "Sum").with_(period=_FIVE_MINUTES),
        threshold=1,
    )


def digest_alarms(
    emitted: EmittedMetrics, settings: Settings, undelivered: sqs.Queue
) -> Iterator[Alarm]:
    """Yield the alarms for digests."""
    yield Alarm(
        construct_id="FailuresAlarm",
        title="Digest failed",
        meaning="a digest failed to publish",
        metric=emitted.metric("DigestFailures", "Sum").with_(period=_FIVE_MINUTES),
        threshold=1,
    )
    reads_manifests = " or a run that reads manifests" if settings.output_buckets else ""
    yield _dead_letters(f"a digest run{reads_manifests} was given up", undelivered)
    if settings.chat_digests:
        yield Alarm(
            construct_id="ChatFailuresAlarm",
            title="Chat digest failed",
            meaning="a digest was not published to the chat topic",
            metric=emitted.metric("ChatFailures", "Sum").with_(period=_FIVE_MINUTES),
            threshold=1,
        )
    # No run in one and a half intervals. CloudWatch cannot look back further than seven days.
    patience = 1.5 * longest_gap(settings.digest_schedule)
    if patience <= _LONGEST_EVALUATION:
        period = timedelta(hours=1) if patience > timedelta(hours=2) else timedelta(minutes=5)
        yield Alarm(
            construct_id="MissedAlarm",
            title="Digest missed",
            meaning="no digest run has ended in one and a half intervals of the schedule (no data)",
            metric=emitted.metric("DigestRuns", "Sum").with_(
                period=Duration.seconds(int(period.total_seconds()))
            ),
            threshold=1,
            periods=math.ceil(patience / period),
            below=True,
            notify_without_data=True,
        )


def event_alarms(emitted: EmittedMetrics, undelivered: sqs.Queue) -> Iterator[Alarm]:
    """Yield the alarms for change events."""
    yield Alarm(
        construct_id="FailingAlarm",
        title="Events undelivered",
        meaning="change events cannot be sent; they are retried for twelve hours",
        metric=emitted.metric("EventFailures", "Sum").with_(period=_FIVE_MINUTES),
        threshold=1,
        periods=3,
    )
    yield _dead_letters("change events were given up", undelivered)


def alert_alarms(
    function: lambda_.Function | None, undelivered: sqs.Queue | None
) -> Iterator[Alarm]:
    """Yield the alarms for job alerts, if the deployment has them."""
    if undelivered is not None:
        yield _dead_letters("job alerts did not reach their topic", undelivered)
    if function is not None:
        yield _errors("FailingAlarm", function, "alerts")


def output_alarms(emitted: EmittedMetrics) -> Iterator[Alarm]:
    """Yield the alarm for what jobs processed. Runs that were given up are in the queue of digests, which has one."""
    yield Alarm(
        construct_id="FailingAlarm",
        title="Outputs failing",
        meaning="most of the last jobs' manifests could not be read",
        metric=emitted.metric("OutputsFailing", "Sum").with_(period=Duration.hours(1)),
        threshold=1,
        # It is sent with the outputs that are recorded, which can be hours apart.
        periods=6,
        breaching=1,
    )


def api_alarms(server_errors: cloudwatch.Metric, latency: cloudwatch.Metric) -> Iterator[Alarm]:
    """Yield the alarms for the API."""
    yield Alarm(
        construct_id="ServerErrorsAlarm",
        title="API errors",
        meaning="the API answered five requests or more with a 5xx status in five minutes",
        metric=server_errors.with_(statistic="Sum", period=_FIVE_MINUTES),
        threshold=5,
    )
    yield Alarm(
        construct_id="LatencyAlarm",
        title="API slow",
        meaning="one request in ten takes longer than five seconds",
        metric=latency.with_(statistic="p90", period=_FIVE_MINUTES),
        threshold=5_000,
        periods=3,
    )


def function_alarms(function: lambda_.Function, name: str) -> Iterator[Alarm]:
    """Yield the alarms for one function; `name` is its name in sentences."""
    timeout = function.timeout
    assert timeout is not None  # every function of this stack has one
    yield _errors("ErrorsAlarm", function, name)
    yield Alarm(
        construct_id="NearTimeoutAlarm",
        title="Function near its timeout",
        meaning=f"the {name} function takes more than {_NEAR_TIMEOUT:.0%} of its time limit",
        metric=function.metric_duration(statistic="Maximum", period=_FIVE_MINUTES),
        threshold=_NEAR_TIMEOUT * timeout.to_milliseconds(),
        periods=3,
        breaching=2,
    )
    yield Alarm(
        construct_id="ThrottlesAlarm",
        title="Function throttled",
        meaning=f"Lambda throttles the {name} function",
        metric=function.metric_throttles(statistic="Sum", period=_FIVE_MINUTES),
        threshold=1,
        periods=3,
    )


def _errors(construct_id: str, function: lambda_.Function, name: str) -> Alarm:
    return Alarm(
        construct_id=construct_id,
        title="Function errors",
        meaning=f"the {name} function failed in three periods of five minutes in a row",
        metric=function.metric_errors(statistic="Sum", period=_FIVE_MINUTES),
        threshold=1,
        periods=3,
    )


def table_alarms(ledger: dynamodb.Table, idempotency: dynamodb.Table) -> Iterator[Alarm]:
    """Yield the alarms for the two tables."""
    # The functions use no other operations that read or write index entries.
    through_indexes = {"Read": "Query", "Write": "TransactWriteItems"}
    for name, table in {"ledger": ledger, "idempotency": idempotency}.items():
        for verb, operation in through_indexes.items():
            metrics = [_of_table(table, f"{verb}ThrottleEvents")]
            if table is ledger:
                metrics.append(_of_table(table, "ThrottledRequests", Operation=operation))
            yield Alarm(
                construct_id=f"{name.capitalize()}{verb}ThrottlesAlarm",
                title="Table throttled",
                meaning=f"DynamoDB throttles {verb.lower()}s of the {name} table or its indexes",
                metric=_filled_sum(f"{verb}ThrottleEvents", metrics),
                threshold=1,
                # Of four, because the newest period has a zero in place of data that comes late:
                # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
                periods=4,
                breaching=3,
            )


def _of_table(table: dynamodb.Table, name: str, **dimensions: str) -> cloudwatch.Metric:
    """Return a metric of DynamoDB.

    `…ThrottleEvents` of a table do not include its indexes. CloudWatch bills an alarm for each metric, and each index
    has its own. `ThrottledRequests` of an operation count a request once if the table or any index throttles it. They
    count a batch only if all of its parts are throttled, but a batch cannot read an index.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TroubleshootingThrottling-cloudwatch.html
    """
    return cloudwatch.Metric(
        namespace="AWS/DynamoDB",
        metric_name=name,
        dimensions_map={"TableName": table.table_name, **dimensions},
        statistic="Sum",
        period=_FIVE_MINUTES,
    )


def _filled_sum(label: str, metrics: Sequence[cloudwatch.Metric]) -> cloudwatch.MathExpression:
    """Return the sum of metrics, with zeros where there is no data.

    An alarm on DynamoDB's metrics ignores missing data, whatever its setting is (PutMetricAlarm). Without the zeros it
    would never end.
    """
    by_id = {f"m{number}": metric for number, metric in enumerate(metrics)}
    return cloudwatch.MathExpression(
        expression=" + ".join(f"FILL({name}, 0)" for name in by_id),
        using_metrics=by_id,
        label=label,
        period=_FIVE_MINUTES,
    )


def _dead_letters(meaning: str, queue: sqs.Queue) -> Alarm:
    return Alarm(
        construct_id="GivenUpAlarm",
        title="Dead letters",
        meaning=f"{meaning}; the queue Undelivered has what was not delivered",
        metric=queue.metric_approximate_number_of_messages_visible(
            statistic="Maximum", period=_FIVE_MINUTES
        ),
        threshold=1,
    )
