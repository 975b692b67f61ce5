"""The tables and the key."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from job_ledger.doctor.deployment import Deployment
from job_ledger.doctor.findings import Check, Finding, counted, named, ok, problem
from job_ledger.doctor.metrics import Metric, read_values


def recovery(deployment: Deployment) -> Finding:
    """Whether the ledger can be restored to a point in time."""
    name = deployment.output("LedgerTableName")
    answer = deployment.call("dynamodb", "DescribeContinuousBackups", TableName=name)
    point = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if point.get("PointInTimeRecoveryStatus") != "ENABLED":
        return problem(
            "The ledger cannot be restored: point-in-time recovery is off.",
            f"aws dynamodb update-continuous-backups --table-name {name}"
            " --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
        )
    days = point.get("RecoveryPeriodInDays", 35)
    return ok(f"The ledger can be restored to any second of the last {days} days.")


def protection(deployment: Deployment) -> Finding:
    """Whether the ledger is protected against deletion, if the deployment asked for that."""
    table = _ledger(deployment)
    if table["TableStatus"] not in ("ACTIVE", "UPDATING"):
        return problem(
            f"The ledger's table is {table['TableStatus']}.", "docs/runbook.md#table-throttled"
        )
    if table.get("DeletionProtectionEnabled"):
        return ok("The ledger is protected against deletion.")
    if not _asked_for_protection(deployment):
        return ok("Deleting the stack deletes the ledger: it has retainLedger=false.")
    return problem(
        "The ledger can be deleted by mistake.",
        f"aws dynamodb update-table --table-name {table['TableName']} --deletion-protection-enabled",
    )


def _asked_for_protection(deployment: Deployment) -> bool:
    template: Any = deployment.call("cloudformation", "GetTemplate", StackName=deployment.name)[
        "TemplateBody"
    ]
    (ledger,) = deployment.of_kind("AWS::DynamoDB::Table", "Ledger")
    properties = template["Resources"][ledger.logical_id]["Properties"]
    return bool(properties.get("DeletionProtectionEnabled"))


def throttles(deployment: Deployment) -> Finding:
    """Whether DynamoDB throttled a table or an index in the last hour."""
    names = [r.physical_id for r in deployment.of_kind("AWS::DynamoDB::Table")]
    metrics = [
        metric
        for name in names
        for table in [read_table(deployment, name)]
        for verb in ("Read", "Write")
        for metric in metrics_of(table, f"{verb}ThrottleEvents")
    ]
    values = read_values(deployment, metrics, timedelta(hours=1))
    number = round(sum(map(sum, values.values())))
    if number:
        return problem(
            f"DynamoDB throttled {counted(number, 'request')} in the last hour.",
            "docs/runbook.md#table-throttled",
        )
    return ok(f"{counted(len(names), 'table')} had no throttle in the last hour.")


def read_table(deployment: Deployment, name: str) -> dict[str, Any]:
    """Return a table's description."""
    found: dict[str, Any] = deployment.call("dynamodb", "DescribeTable", TableName=name)["Table"]
    return found


def metrics_of(table: dict[str, Any], name: str) -> Iterator[Metric]:
    """Yield a metric of a table, and of each of its indexes: DynamoDB counts these apart."""
    own = (("TableName", table["TableName"]),)
    yield Metric("AWS/DynamoDB", name, own)
    for index in table.get("GlobalSecondaryIndexes", ()):
        dimensions = (*own, ("GlobalSecondaryIndexName", index["IndexName"]))
        yield Metric("AWS/DynamoDB", name, dimensions)


def expiry(deployment: Deployment) -> Finding:
    """Whether the records of answered requests expire."""
    names = [r.physical_id for r in deployment.of_kind("AWS::DynamoDB::Table", "DigestSent")]
    off = []
    for name in names:
        answer = deployment.call("dynamodb", "DescribeTimeToLive", TableName=name)
        if answer["TimeToLiveDescription"]["TimeToLiveStatus"] not in ("ENABLED", "ENABLING"):
            off.append(name)
    if off:
        return problem(
            f"Records of requests never expire in {named(off)}.",
            f"aws dynamodb update-time-to-live --table-name {off[0]}"
            " --time-to-live-specification Enabled=true,AttributeName=expiration",
        )
    return ok("The idempotency records expire.")


def key(deployment: Deployment) -> Finding:
    """Whether the key that encrypts everything can be used."""
    table = _ledger(deployment)
    used = table.get("SSEDescription", {})
    if since := used.get("InaccessibleEncryptionDateTime"):
        return problem(f"DynamoDB cannot use the key since {since:%F %R} UTC.", _KEY_HELP)
    key_id = used.get("KMSMasterKeyArn") or deployment.one("AWS::KMS::Key", "Key")
    found = deployment.call("kms", "DescribeKey", KeyId=key_id)["KeyMetadata"]
    if found["KeyState"] == "Enabled":
        return ok("The key is enabled, and the table can use it.")
    mend = {
        "Disabled": f"aws kms enable-key --key-id {key_id}",
        "PendingDeletion": f"aws kms cancel-key-deletion --key-id {key_id}",
    }
    return problem(f"The key is {found['KeyState']}.", mend.get(found["KeyState"], _KEY_HELP))


_KEY_HELP = "docs/security.md#encryption"


def _ledger(deployment: Deployment) -> dict[str, Any]:
    return read_table(deployment, deployment.output("LedgerTableName"))


CHECKS = (
    Check("recovery", recovery, dropped_locally="point-in-time recovery of a stack's tables"),
    Check("protection", protection),
    Check("table throttles", throttles),
    Check("expiry of records", expiry, dropped_locally="time to live of a stack's tables"),
    Check("key", key),
)
