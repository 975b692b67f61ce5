"""What the template promises: for each resource its properties, their values, and why.

A property is named by its path. A reference is the path of the resource that it names.
"""

from typing import Any, NamedTuple


class Promise(NamedTuple):
    """One property of a resource."""

    property: str
    value: Any
    why: str


def _variable(name: str, value: Any, why: str) -> Promise:
    return Promise(f"Environment.Variables.{name}", value, why)


_SCOPE = "AWS::AccountId/AWS::Region"
_ACCESS_LOGS = "arn:AWS::Partition:logs:AWS::Region:AWS::AccountId:log-group:Api/AccessLogs"
_ALL_FAMILIES = "SNOMEDCT,ICD10CM,RXNORM,ENTITIES_V2,PHI"
_TRACED = Promise("TracingConfig.Mode", "Active", "each run is one trace")
_TRACED_BY_CALLERS = Promise(
    "TracingConfig.Mode", "PassThrough", "runs of its schedule cost no trace"
)
_COMMON = (
    Promise("LoggingConfig.LogFormat", "JSON", "Lambda's own records are as readable as ours"),
    _variable("POWERTOOLS_LOG_LEVEL", "INFO", "DEBUG would log events"),
    _variable("POWERTOOLS_SERVICE_NAME", "job-ledger", "the dimension of the metrics"),
    _variable("POWERTOOLS_METRICS_NAMESPACE", "JobLedger", "the namespace of the metrics"),
    _variable("POWERTOOLS_TRACER_CAPTURE_RESPONSE", "false", "responses contain job names"),
    _variable("POWERTOOLS_TRACER_CAPTURE_ERROR", "false", "an error's text can quote a value"),
)
_BUNDLED = (
    Promise("Architectures", ["arm64"], "the bundle has wheels for arm64"),
    Promise("Runtime", "python3.13", "the bundle has bytecode for 3.13"),
    _variable("FAMILIES", _ALL_FAMILIES, "the families that the deployment keeps"),
)
_LEDGER = (
    _variable("LEDGER_TABLE_NAME", "Ledger", "where the rows are"),
    _variable("LEDGER_SCOPE", _SCOPE, "part of the keys of all rows"),
)
_EVERY_FUNCTION = (_TRACED, *_COMMON)
_FULL = (*_EVERY_FUNCTION, *_BUNDLED, *_LEDGER)
_FULL_BY_CALLERS = (_TRACED_BY_CALLERS, *_COMMON, *_BUNDLED, *_LEDGER)


_ENCRYPTED_TABLE = (
    Promise("SSESpecification.SSEEnabled", True, "job data can identify patients"),
    Promise("SSESpecification.SSEType", "KMS", "under a key whose use is audited"),
    Promise("SSESpecification.KMSMasterKeyId", "Key.Arn", "the deployment's own key"),
    Promise("BillingMode", "PAY_PER_REQUEST", "no capacity to exhaust"),
    Promise("PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled", True, "backup"),
)
_QUEUE = (
    Promise("KmsMasterKeyId", "Key.Arn", "the deployment's own key"),
    Promise("MessageRetentionPeriod", 1_209_600, "two weeks to look at a failure"),
)
_TOPIC = (Promise("KmsMasterKeyId", "Key.Arn", "the deployment's own key"),)
_LOGS = (
    Promise("KmsKeyId", "Key.Arn", "the deployment's own key"),
    Promise("RetentionInDays", 90, "the setting logRetentionDays"),
)

PROMISES: dict[str, tuple[Promise, ...]] = {
    "Key": (Promise("EnableKeyRotation", True, "new key material each year"),),
    "Ledger": (
        *_ENCRYPTED_TABLE,
        Promise("DeletionProtectionEnabled", True, "a deleted stack keeps its ledger"),
        Promise("StreamSpecification.StreamViewType", "NEW_IMAGE", "change events read it"),
        Promise("PointInTimeRecoverySpecification.RecoveryPeriodInDays", 35, "setting backupDays"),
    ),
    "Sync/Function": (
        *_FULL,
        Promise("Handler", "jobledger.handlers.sync.handler", "the entry point"),
        Promise("MemorySize", 512, "a first fill of 100,000 jobs needs 100 MB and processor time"),
        Promise("Timeout", 840, "a first fill takes minutes; a minute less than who waits for it"),
    ),
    "Sync/Function/EventInvokeConfig": (
        Promise("MaximumRetryAttempts", 0, "the next run is the retry"),
        Promise("MaximumEventAgeInSeconds", 60, "a late run would only repeat the next one"),
    ),
    "Sync/Schedule": (
        Promise("ScheduleExpression", "rate(1 minute)", "the setting syncMinutes"),
        Promise("FlexibleTimeWindow.Mode", "OFF", "the minute counts"),
        Promise("State", "ENABLED", "it runs"),
        Promise("Target.Arn", "Sync/Function.Arn", "what it runs"),
        Promise("Target.Input", "{}", "all families"),
        Promise("Target.RetryPolicy.MaximumRetryAttempts", 0, "the next run is the retry"),
        Promise("Target.RetryPolicy.MaximumEventAgeInSeconds", 60, "the next run is the retry"),
    ),
    "Sync/FirstSync/Function": (
        *_EVERY_FUNCTION,
        Promise("Timeout", 900, "it waits for a whole sync"),
    ),
    "Changes/Function": (
        *_FULL,
        Promise("Handler", "jobledger.handlers.changes.handler", "the entry point"),
        Promise("Timeout", 180, "no send begins in the last 45 seconds"),
        Promise("MemorySize", 256, "a batch has at most 100 changes"),
        _variable("EVENT_SOURCE", "jobledger", "the source of the events"),
        _variable("INCLUDE_JOB_DETAILS", "false", "no names unless they are asked for"),
        _variable("UNDELIVERED_QUEUE_URL", "Changes/Undelivered", "where a bad record goes alone"),
    ),
    "Changes/Function/DynamoDBEventSource:JobLedger832BA82A": (
        Promise("EventSourceArn", "Ledger.StreamArn", "the change log"),
        Promise("FunctionName", "Changes/Function", "who sends the events"),
        Promise("FunctionResponseTypes", ["ReportBatchItemFailures"], "no event is sent twice"),
        Promise(
            "FilterCriteria.Filters.0.Pattern",
            '{"eventName":["INSERT"],"dynamodb":{"Keys":{"PK":{"S":[{"suffix":"#changes"}]}}}}',
            "other rows start no function, nor does a row that is deleted",
        ),
        Promise("StartingPosition", "TRIM_HORIZON", "changes before the mapping are sent as well"),
        Promise("MaximumRecordAgeInSeconds", 43_200, "what the bus refuses is tried for 12 hours"),
        Promise("BatchSize", 100, "a batch ends within the timeout"),
        Promise(
            "DestinationConfig.OnFailure.Destination",
            "Changes/Undelivered.Arn",
            "a change that was given up is known",
        ),
    ),
    "Changes/Undelivered": _QUEUE,
    "JobAlerts/Topic": _TOPIC,
    "JobAlerts/Undelivered": _QUEUE,
    "JobAlerts/Waiting": (
        *_QUEUE,
        Promise("VisibilityTimeout", 150, "longer than a run, or two runs send the same"),
        Promise("RedrivePolicy.maxReceiveCount", 240, "SNS may refuse for twelve hours"),
        Promise(
            "RedrivePolicy.deadLetterTargetArn", "JobAlerts/Undelivered.Arn", "no alert is lost"
        ),
    ),
    "JobAlerts/Function": (
        *_FULL_BY_CALLERS,
        Promise("Handler", "jobledger.handlers.alerts.handler", "the entry point"),
        Promise("Timeout", 120, "1,000 changes in 100 reads, and two messages"),
        Promise("MemorySize", 256, "1,000 changes"),
        _variable("ALERT_QUEUE_URL", "JobAlerts/Waiting", "what waits"),
        _variable("ALERT_TOPIC_ARN", "JobAlerts/Topic", "its recipients"),
        _variable(
            "API_URL",
            "https://Api/Rest.execute-api.AWS::Region.AWS::URLSuffix/v1",
            "alerts say where to look closer",
        ),
    ),
    "JobAlerts/Function/EventInvokeConfig": (
        Promise("MaximumRetryAttempts", 0, "the next run is the retry"),
        Promise("MaximumEventAgeInSeconds", 60, "a late run would only repeat the next one"),
    ),
    "JobAlerts/Schedule": (
        Promise("ScheduleExpression", "rate(1 minute)", "one message a minute"),
        Promise("State", "ENABLED", "it runs"),
        Promise("Target.Arn", "JobAlerts/Function.Arn", "what it runs"),
        Promise("Target.Input", "{}", "it reads the queue"),
        Promise("Target.RetryPolicy.MaximumRetryAttempts", 0, "the next run is the retry"),
        Promise("Target.RetryPolicy.MaximumEventAgeInSeconds", 60, "the next run is the retry"),
    ),
    "JobAlerts/FunctionLogs": _LOGS,
    "JobAlerts/Rule": (
        Promise("State", "ENABLED", "it listens"),
        Promise("EventPattern.source", ["jobledger"], "this deployment's events"),
        Promise("EventPattern.detail-type", ["Comprehend Medical Job State Change"], "the events"),
        Promise(
            "EventPattern.detail.JobStatus", ["FAILED", "PARTIAL_SUCCESS"], "the setting alertOn"
        ),
        Promise("Targets.0.Arn", "JobAlerts/Waiting.Arn", "a minute's changes are one message"),
        Promise("Targets.0.DeadLetterConfig.Arn", "JobAlerts/Undelivered.Arn", "no alert is lost"),
    ),
    "Digest/Topic": _TOPIC,
    "Digest/Sent": (
        *_ENCRYPTED_TABLE,
        Promise("TimeToLiveSpecification.Enabled", True, "records expire"),
        Promise("TimeToLiveSpecification.AttributeName", "expiration", "Powertools' name"),
    ),
    "Digest/Function": (
        *_FULL,
        Promise("Handler", "jobledger.handlers.digest.handler", "the entry point"),
        Promise("Timeout", 300, "a digest of 100,000 changes, and another run to wait for"),
        Promise("MemorySize", 512, "a digest of 100,000 changes"),
        _variable("IDEMPOTENCY_TABLE_NAME", "Digest/Sent", "one publish for each window"),
        _variable("DIGEST_TOPIC_ARN", "Digest/Topic", "its recipients"),
        _variable("DIGEST_TIMEZONE", "UTC", "the setting digestTimezone"),
        _variable("DIGEST_SCHEDULE", "cron(0 8 * * ? *) UTC", "to tell missed runs from a change"),
        _variable("DIGEST_WHEN", "always", "the setting digestWhen"),
        _variable("INCLUDE_JOB_DETAILS", "false", "no names unless they are asked for"),
        _variable("SYNC_MINUTES", "1", "to say when the ledger is stale"),
        _variable(
            "API_URL",
            "https://Api/Rest.execute-api.AWS::Region.AWS::URLSuffix/v1",
            "digests say where to look closer",
        ),
    ),
    "Digest/Function/EventInvokeConfig": (
        Promise("MaximumRetryAttempts", 2, "a failed digest is retried"),
        Promise("MaximumEventAgeInSeconds", 21_600, "for six hours"),
        Promise(
            "DestinationConfig.OnFailure.Destination",
            "Digest/Undelivered.Arn",
            "a digest that was given up is known",
        ),
    ),
    "Digest/Schedule": (
        Promise("ScheduleExpression", "cron(0 8 * * ? *)", "the setting digestSchedule"),
        Promise("ScheduleExpressionTimezone", "UTC", "the setting digestTimezone"),
        Promise("FlexibleTimeWindow.Mode", "OFF", "windows end at the scheduled time"),
        Promise("State", "ENABLED", "it runs"),
        Promise("Target.Arn", "Digest/Function.Arn", "what it runs"),
        Promise(
            "Target.Input",
            '{"ScheduledTime":"<aws.scheduler.scheduled-time>",'
            '"ScheduleArn":"<aws.scheduler.schedule-arn>"}',
            "a late run has the window of its time",
        ),
        Promise("Target.RetryPolicy.MaximumRetryAttempts", 10, "a throttled start is retried"),
        Promise("Target.RetryPolicy.MaximumEventAgeInSeconds", 21_600, "for six hours"),
        Promise("Target.DeadLetterConfig.Arn", "Digest/Undelivered.Arn", "no run is lost"),
    ),
    "Digest/Undelivered": _QUEUE,
    "Api/Function": (
        *_FULL_BY_CALLERS,
        Promise("Handler", "jobledger.handlers.api.handler", "the entry point"),
        Promise("Timeout", 29, "API Gateway's limit"),
        Promise("MemorySize", 1024, "processor time, which a page needs"),
        _variable("SYNC_MINUTES", "1", "to say when the ledger is stale"),
        _variable("SYNC_FUNCTION_NAME", "Sync/Function", "for ConsistentRead"),
        _variable("IDEMPOTENCY_TABLE_NAME", "Digest/Sent", "for Idempotency-Key"),
        _variable("DIGEST_FUNCTION_NAME", "Digest/Function", "for POST /digests"),
    ),
    "Api/KeepWarm": (
        Promise("ScheduleExpression", "rate(1 minute)", "Lambda keeps an idle environment longer"),
        Promise("State", "ENABLED", "it runs"),
        Promise("Target.Arn", "Api/Function.Arn", "the function that a caller waits for"),
        Promise("Target.RetryPolicy.MaximumRetryAttempts", 0, "the next run is the retry"),
    ),
    "Api/Rest": (
        Promise("EndpointConfiguration.Types", ["REGIONAL"], "callers are in the region"),
        Promise("EndpointConfiguration.IpAddressType", "dualstack", "a private API can become it"),
        Promise("SecurityPolicy", "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09", "TLS 1.2 or newer"),
        Promise("EndpointAccessMode", "STRICT", "needed by the policy, and the stricter mode"),
        Promise("BinaryMediaTypes", ["*/*"], "gzip passes unchanged"),
    ),
    "Api/Rest/DeploymentStage.v1": (
        Promise("StageName", "v1", "part of the address"),
        Promise("TracingEnabled", True, "each request is one trace"),
        Promise("AccessLogSetting.DestinationArn", _ACCESS_LOGS, "who called"),
        Promise("MethodSettings.0.HttpMethod", "*", "all methods"),
        Promise("MethodSettings.0.ResourcePath", "/*", "all routes"),
        Promise("MethodSettings.0.ThrottlingRateLimit", 50, "one caller cannot use up all"),
        Promise("MethodSettings.0.ThrottlingBurstLimit", 100, "one caller cannot use up all"),
        Promise("MethodSettings.0.LoggingLevel", "OFF", "execution logs contain job names"),
        Promise("MethodSettings.0.DataTraceEnabled", False, "it would log bodies"),
        Promise("MethodSettings.1.HttpMethod", "POST", "a digest costs more than a page"),
        Promise("MethodSettings.1.ResourcePath", "/~1digests", "a digest costs more than a page"),
        Promise("MethodSettings.1.ThrottlingRateLimit", 1, "a digest costs more than a page"),
        Promise("MethodSettings.1.ThrottlingBurstLimit", 5, "a digest costs more than a page"),
        Promise("MethodSettings.1.LoggingLevel", "OFF", "execution logs contain job names"),
        Promise("MethodSettings.1.DataTraceEnabled", False, "it would log bodies"),
    ),
    "Lookup/OnEvent": (
        *_EVERY_FUNCTION,
        *_BUNDLED,
        _variable("KEY_ARN", "Key.Arn", "to encrypt the properties"),
        Promise("Handler", "jobledger.handlers.lookup.on_event", "the entry point"),
        Promise("Timeout", 120, "one read, with retries"),
    ),
    "Lookup/IsComplete": (
        *_FULL,
        _variable("KEY_ARN", "Key.Arn", "to decrypt the properties"),
        Promise("Handler", "jobledger.handlers.lookup.is_complete", "the entry point"),
        Promise("Timeout", 120, "a sync, for which it waits 20 seconds, and reads with retries"),
        _variable("SYNC_FUNCTION_NAME", "Sync/Function", "to sync before it looks"),
    ),
    "Lookup/ServiceToken": (
        Promise("Name", "/job-ledger/lookup-service-token", "other stacks read it"),
        Promise("Value", "Lookup/Provider/framework-onEvent.Arn", "the service token"),
    ),
    "Widget/Function": (
        *_FULL,
        Promise("Handler", "jobledger.handlers.widget.handler", "the entry point"),
        Promise("MemorySize", 1024, "processor time, which the board needs"),
        Promise("Timeout", 20, "a person waits for it"),
    ),
    "Widget/FunctionLogs": _LOGS,
    "Api/AccessLogs": _LOGS,
    "Api/FunctionLogs": _LOGS,
    "Changes/FunctionLogs": _LOGS,
    "Digest/FunctionLogs": _LOGS,
    "Lookup/IsCompleteLogs": _LOGS,
    "Lookup/Logs": _LOGS,
    "Lookup/OnEventLogs": _LOGS,
    "Sync/FunctionLogs": _LOGS,
    "Sync/FirstSync/FunctionLogs": _LOGS,
}
