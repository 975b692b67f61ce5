"""Encrypted queues that accept TLS only: for messages that wait, and for messages that could not be delivered."""

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct


def dead_letter_queue(scope: Construct, construct_id: str, *, key: kms.IKey) -> sqs.Queue:
    """Create a queue for messages that could not be delivered. Like all queues here, it keeps them for two weeks."""
    return _queue(scope, construct_id, key=key)


def waiting_queue(
    scope: Construct,
    construct_id: str,
    *,
    key: kms.IKey,
    hidden: Duration,
    times: int,
    undelivered: sqs.Queue,
) -> sqs.Queue:
    """Create a queue that hides a message for the time `hidden` when it is read.

    A message that was read so many `times` moves to the queue `undelivered`.
    """
    put_aside = sqs.DeadLetterQueue(queue=undelivered, max_receive_count=times)
    return _queue(
        scope, construct_id, key=key, visibility_timeout=hidden, dead_letter_queue=put_aside
    )


def _queue(scope: Construct, construct_id: str, *, key: kms.IKey, **more: Any) -> sqs.Queue:
    return sqs.Queue(
        scope,
        construct_id,
        encryption=sqs.QueueEncryption.KMS,
        encryption_master_key=key,
        enforce_ssl=True,
        retention_period=Duration.days(14),
        **more,
    )
