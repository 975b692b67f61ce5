"""E-mail of SNS: a file for each message that an address would get. MiniStack sends none."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack.services import sns

# What SNS writes for a message without a subject.
NO_SUBJECT = "AWS Notification Message"


def keep_mail(fan_out: Callable[..., None], folder: Path) -> Callable[..., None]:
    """Wrap MiniStack's delivery of a message: each subscribed address gets a file in the folder."""
    numbers = itertools.count(1 + sum(1 for _ in folder.iterdir()))

    def deliver(
        topic_arn: str,
        message_id: str,
        message: str,
        subject: str,
        structure: str = "",
        attributes: dict[str, Any] | None = None,
        *rest: Any,
        **more: Any,
    ) -> None:
        text = sns._resolve_message_for_protocol(message, structure, "email")
        topic = sns._topic_by_arn_any_scope(topic_arn) or {"subscriptions": []}
        for subscription in topic["subscriptions"]:
            if subscription["protocol"] == "email" and sns._matches_filter_policy(
                subscription, attributes or {}, text
            ):
                head = f"To: {subscription['endpoint']}\nSubject: {subject or NO_SUBJECT}\n"
                name = f"{next(numbers):04}-{topic_arn.rpartition(':')[2]}.txt"
                written = folder / f"{name}.new"
                written.write_text(f"{head}\n{text}\n")
                written.replace(folder / name)
        fan_out(topic_arn, message_id, message, subject, structure, attributes, *rest, **more)

    return deliver
