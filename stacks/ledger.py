"""The ledger: the table of jobs, changes and state."""

from typing import Any

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from jobledger.service import Family
from stacks.permissions import allow, allow_reading_tables, allow_writing_tables
from stacks.settings import Settings

# Index name to partition key. Each index projects whole rows, so that a page needs one query.
_INDEXES = {
    "ByStatus": "StatusKey",
    "ByName": "NameKey",
    "ByNameAndStatus": "NameStatusKey",
}
_BY_ID = "ById"
_BY_SOURCE = "BySource"


class Ledger(dynamodb.Table):
    """The table of jobs, status changes and sync states."""

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: Settings, key: kms.IKey
    ) -> None:
        """With `retain_ledger` the table is protected, and stays when the stack is deleted."""
        retain = settings.retain_ledger
        super().__init__(
            scope,
            construct_id,
            partition_key=_string("PK"),
            sort_key=_string("SK"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            # Table instead of TableV2, which needs an explicit region for a customer-managed key.
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True,
                recovery_period_in_days=settings.backup_days,
            ),
            deletion_protection=retain,
            removal_policy=RemovalPolicy.RETAIN if retain else RemovalPolicy.DESTROY,
            stream=dynamodb.StreamViewType.NEW_IMAGE,
        )
        self._key = key
        for name, attribute in _INDEXES.items():
            self.add_global_secondary_index(
                index_name=name, partition_key=_string(attribute), sort_key=_string("SK")
            )
        self.add_global_secondary_index(index_name=_BY_ID, partition_key=_string("IdKey"))
        if settings.sources:
            # Only rows of other sources have the key. CloudFormation adds or removes one index in an update, and this
            # is the only one that a setting adds: so the setting can come and go with one deployment each.
            self.add_global_secondary_index(
                index_name=_BY_SOURCE,
                partition_key=_string("SourceKey"),
                sort_key=_string("SK"),
            )
        self._indexes = (*_INDEXES, _BY_ID, *([_BY_SOURCE] if settings.sources else []))
        stack = Stack.of(self)
        self.scope_name = f"{stack.account}/{stack.region}"

    def grant_reading(self, role: iam.Role) -> None:
        """Allow queries and reads of single rows, but no scans."""
        self._grant_reads(role, "BatchGetItem", "GetItem", "Query")

    def grant_listing(self, role: iam.Role) -> None:
        """Allow queries and reads of many rows at once: for lists."""
        self._grant_reads(role, "BatchGetItem", "Query")

    def grant_querying(self, role: iam.Role) -> None:
        """Allow queries only: for pages, counts and states."""
        self._grant_reads(role, "Query")

    def grant_finding(self, role: iam.Role) -> None:
        """Allow queries and reads of single rows one at a time: for what is known of a job."""
        self._grant_reads(role, "GetItem", "Query")

    def _grant_reads(self, role: iam.Role, *operations: str) -> None:
        indexes = (f"{self.table_arn}/index/{name}" for name in self._indexes)
        actions = [f"dynamodb:{operation}" for operation in operations]
        allow(role, "ReadLedger", actions, [self.table_arn, *indexes])
        allow_reading_tables(role, self._key)

    def grant_recording(self, role: iam.Role) -> None:
        """Allow putting, updating and checking rows, and deleting rows of jobs.

        The row of an active job is deleted when the job ends, and a job's row moves when its submit time changes.
        Both happen in transactions. AWS does not document whether the condition sees the keys of the deleted row
        only, or of all rows of the transaction: it allows both. It never allows deleting digests, claims or the pace.
        Jobs of other sources are in the partitions of the own one.
        """
        actions = ["dynamodb:ConditionCheckItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
        allow(role, "WriteLedger", actions, [self.table_arn])
        partitions = [f"{self.scope_name}/*", f"{self.scope_name}#*", "state"]
        allow(
            role,
            "RemoveRows",
            ["dynamodb:DeleteItem"],
            [self.table_arn],
            _only_partitions(*partitions),
        )
        allow_writing_tables(role, self._key)

    def grant_writing_partition(self, role: iam.Role, partition: str) -> None:
        """Allow putting the rows with this partition key, and no others. The key is granted elsewhere."""
        allow(
            role,
            "WriteOwnRows",
            ["dynamodb:PutItem"],
            [self.table_arn],
            _only_partitions(partition, operator="StringEquals"),
        )

    def grant_recording_outputs(self, role: iam.Role) -> None:
        """Allow to put and update rows of jobs and totals, and the rows of jobs whose outputs are waited for.

        Neither the change log nor rows of active jobs, states or digests. It deletes its own rows only.
        """
        jobs = [f"{self.scope_name}/{family.value}" for family in Family]
        waiting = f"{self.scope_name}#outputs"
        allow(
            role,
            "WriteOutputs",
            ["dynamodb:PutItem", "dynamodb:UpdateItem"],
            [self.table_arn],
            _only_partitions(*jobs, f"{self.scope_name}#totals#*", waiting),
        )
        allow(
            role,
            "RemoveWaiting",
            ["dynamodb:DeleteItem"],
            [self.table_arn],
            _only_partitions(waiting),
        )
        allow_writing_tables(role, self._key)

    def grant_reading_stream(self, role: iam.Role) -> None:
        """Allow Lambda to read the table's stream with this role."""
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/iam-policy-example-lamda-process-dynamodb-streams.html
        allow(
            role,
            "ReadStream",
            [
                "dynamodb:DescribeStream",
                "dynamodb:GetRecords",
                "dynamodb:GetShardIterator",
                "dynamodb:ListStreams",
            ],
            [str(self.table_stream_arn)],
        )
        allow_reading_tables(role, self._key)


def _only_partitions(*patterns: str, operator: str = "StringLike") -> dict[str, Any]:
    """Return the condition that a request is about rows with these partition keys only."""
    # `ForAllValues` also holds for a request without keys, which `Null` excludes:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
    return {
        f"ForAllValues:{operator}": {"dynamodb:LeadingKeys": list(patterns)},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


def _string(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
