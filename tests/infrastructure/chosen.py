"""What the settings change: a deployment with every setting chosen, and the properties that follow."""

from tests.infrastructure.promises import Promise

CHOSEN = {
    "name": "Ward7",
    "families": "PHI,RXNORM",
    "syncMinutes": "5",
    "digestSchedule": "rate(12 hours)",
    "digestTimezone": "Asia/Tokyo",
    "digestEmails": "a@example.org,b@example.org",
    "digestWhen": "attention",
    "chatDigests": "true",
    "alertOn": "STOPPED",
    "alertEmails": "c@example.org",
    "includeJobDetails": "true",
    "allowedAccounts": "111122223333,444455556666",
    "vpcEndpointIds": "vpce-0a1b2c3d4e5f60718",
    "webAclArn": "arn:aws-us-gov:wafv2:us-gov-west-1:111122223333:regional/webacl/hospital/1a2b3c4d-0000-4000-8000-000000000000",
    "kmsKeyArn": "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/1a2b3c4d-0000-4000-8000-000000000000",
    "keepWarm": "false",
    "apiGatewayAccount": "false",
    "logRetentionDays": "365",
    "backupDays": "7",
    "retainLedger": "false",
}
_KEY = CHOSEN["kmsKeyArn"]
_ALERTS = "JobAlerts/Topic"


def _variable(name: str, value: str, setting: str) -> Promise:
    return Promise(f"Environment.Variables.{name}", value, setting)


_FUNCTION = (
    _variable("POWERTOOLS_SERVICE_NAME", "job-ledger-Ward7", "name"),
    _variable("FAMILIES", "PHI,RXNORM", "families"),
)
_TABLE = (Promise("SSESpecification.KMSMasterKeyId", _KEY, "kmsKeyArn"),)
_LOGS = (
    Promise("RetentionInDays", 365, "logRetentionDays"),
    Promise("KmsKeyId", _KEY, "kmsKeyArn"),
)


def _email(address: str, topic: str) -> tuple[Promise, ...]:
    return (
        Promise("Endpoint", address, "digestEmails, alertEmails"),
        Promise("Protocol", "email", "digestEmails, alertEmails"),
        Promise("TopicArn", topic, "digestEmails, alertEmails"),
    )


# Here the reason is the setting.
PROMISES: dict[str, tuple[Promise, ...]] = {
    "Ledger": (
        *_TABLE,
        Promise("DeletionProtectionEnabled", False, "retainLedger"),
        Promise("PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled", True, "backupDays"),
        Promise("PointInTimeRecoverySpecification.RecoveryPeriodInDays", 7, "backupDays"),
    ),
    "Sync/Function": _FUNCTION,
    "Sync/Schedule": (Promise("ScheduleExpression", "rate(5 minutes)", "syncMinutes"),),
    "Changes/Function": (
        *_FUNCTION,
        _variable("EVENT_SOURCE", "jobledger.Ward7", "name"),
        _variable("INCLUDE_JOB_DETAILS", "true", "includeJobDetails"),
    ),
    "Changes/Undelivered": (Promise("KmsMasterKeyId", _KEY, "kmsKeyArn"),),
    _ALERTS: (Promise("KmsMasterKeyId", _KEY, "kmsKeyArn"),),
    f"{_ALERTS}/c@example.org": _email("c@example.org", _ALERTS),
    "JobAlerts/Function": (
        *_FUNCTION,
        _variable("CHAT_TOPIC_ARN", "Digest/ChatTopic", "chatDigests"),
    ),
    "JobAlerts/Undelivered": (Promise("KmsMasterKeyId", _KEY, "kmsKeyArn"),),
    "JobAlerts/Rule": (
        Promise("EventPattern.source", ["jobledger.Ward7"], "name"),
        Promise("EventPattern.detail.JobStatus", ["STOPPED"], "alertOn"),
    ),
    "Digest/Topic": (Promise("KmsMasterKeyId", _KEY, "kmsKeyArn"),),
    "Digest/Topic/a@example.org": _email("a@example.org", "Digest/Topic"),
    "Digest/Topic/b@example.org": _email("b@example.org", "Digest/Topic"),
    "Digest/ChatTopic": (Promise("KmsMasterKeyId", _KEY, "kmsKeyArn"),),
    "Digest/Sent": _TABLE,
    "Digest/Function": (
        *_FUNCTION,
        _variable("CHAT_TOPIC_ARN", "Digest/ChatTopic", "chatDigests"),
        _variable("DIGEST_TIMEZONE", "Asia/Tokyo", "digestTimezone"),
        _variable("DIGEST_SCHEDULE", "rate(12 hours) Asia/Tokyo", "digestSchedule"),
        _variable("DIGEST_WHEN", "attention", "digestWhen"),
        _variable("INCLUDE_JOB_DETAILS", "true", "includeJobDetails"),
        _variable("SYNC_MINUTES", "5", "syncMinutes"),
    ),
    "Digest/Schedule": (
        Promise("ScheduleExpression", "rate(12 hours)", "digestSchedule"),
        Promise("ScheduleExpressionTimezone", "Asia/Tokyo", "digestTimezone"),
    ),
    "Digest/Undelivered": (Promise("KmsMasterKeyId", _KEY, "kmsKeyArn"),),
    "Api/Function": (*_FUNCTION, _variable("SYNC_MINUTES", "5", "syncMinutes")),
    "Api/Rest": (
        Promise("EndpointConfiguration.Types", ["PRIVATE"], "vpcEndpointIds"),
        Promise("EndpointConfiguration.IpAddressType", "dualstack", "vpcEndpointIds"),
        Promise(
            "EndpointConfiguration.VpcEndpointIds", [CHOSEN["vpcEndpointIds"]], "vpcEndpointIds"
        ),
        Promise(
            "Policy.Statement.0.Principal.AWS",
            [
                f"arn:AWS::Partition:iam::{account}:root"
                for account in ("AWS::AccountId", "111122223333", "444455556666")
            ],
            "allowedAccounts",
        ),
        Promise("Policy.Statement.1.Effect", "Deny", "vpcEndpointIds"),
        Promise("Policy.Statement.1.Principal", {"AWS": "*"}, "vpcEndpointIds"),
        Promise(
            "Policy.Statement.1.Condition.StringNotEquals",
            {"aws:SourceVpce": [CHOSEN["vpcEndpointIds"]]},
            "vpcEndpointIds",
        ),
    ),
    "Api/WebAcl": (
        Promise("WebACLArn", CHOSEN["webAclArn"], "webAclArn"),
        Promise(
            "ResourceArn",
            "arn:AWS::Partition:apigateway:AWS::Region::/restapis/Api/Rest/stages/"
            "Api/Rest/DeploymentStage.v1",
            "webAclArn",
        ),
    ),
    "Lookup/OnEvent": (_variable("FAMILIES", "PHI,RXNORM", "families"),),
    "Lookup/IsComplete": (_variable("FAMILIES", "PHI,RXNORM", "families"),),
    "Lookup/ServiceToken": (Promise("Name", "/job-ledger/Ward7/lookup-service-token", "name"),),
    "Api/AccessLogs": _LOGS,
    "Api/FunctionLogs": _LOGS,
}
