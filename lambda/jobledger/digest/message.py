"""The messages of one digest. They are rendered once and stored packed, so a retry sends the same bytes."""

import base64
import json
import zlib
from typing import Any

import msgspec

from jobledger.digest.content import Digest
from jobledger.digest.document import VERSION, machine_json
from jobledger.digest.text import (
    TextOptions,
    look_closer,
    open_job,
    subject,
    text,
    verdict_sentence,
)
from jobledger.sns import MAX_BYTES, Notification

KIND = "Digest"


class DigestMessages(msgspec.Struct, frozen=True):
    """The message to the digest topic and the message to the chat topic."""

    digest: Notification
    chat: Notification

    def pack(self) -> str:
        """Return the messages as text for a table row, at most a third longer than the largest message."""
        return base64.b64encode(zlib.compress(msgspec.json.encode(self))).decode()

    @classmethod
    def unpack(cls, packed: str) -> "DigestMessages":
        """Return the messages that `pack` packed."""
        return msgspec.json.decode(zlib.decompress(base64.b64decode(packed)), type=cls)


def render_messages(digest: Digest, options: TextOptions) -> DigestMessages:
    """Return the messages of a digest, within the size limit of SNS."""
    email = text(digest, options)
    empty = _notification(digest, options, "", email)
    machine = machine_json(digest, MAX_BYTES - empty.size(), options.board_of)
    return DigestMessages(_notification(digest, options, machine, email), _chat(digest, options))


def _notification(digest: Digest, options: TextOptions, machine: str, email: str) -> Notification:
    attributes: dict[str, str | tuple[str, ...]] = {
        "Kind": KIND,
        "Verdict": digest.verdict.value,
        "HasFailures": "true" if digest.has_failures else "false",
        "Version": VERSION,
    }
    if digest.changed_families:
        attributes["Families"] = tuple(family.value for family in digest.changed_families)
    return Notification(
        bodies={"default": machine, "email": email},
        subject=subject(digest, options),
        attributes=attributes,
    )


def _chat(digest: Digest, options: TextOptions) -> Notification:
    """Return an Amazon Q Developer custom notification, threaded by digest.

    https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
    """
    call = look_closer(digest, options)
    said: dict[str, Any] = {
        "version": "1.0",
        "source": "custom",
        "id": digest.digest_id,
        "content": {
            "textType": "client-markdown",
            "title": subject(digest, options),
            "description": verdict_sentence(digest),
            "keywords": [digest.verdict.value, *digest.changed_families],
        },
        "metadata": {
            "threadId": digest.digest_id,
            "summary": verdict_sentence(digest),
            "eventType": KIND,
        },
    }
    if call is not None:
        said["content"]["nextSteps"] = [f"Look closer: `{open_job(digest)}` or `{call}`"]
    return Notification(bodies={"default": json.dumps(said)})
