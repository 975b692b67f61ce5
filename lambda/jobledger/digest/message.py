"""The messages of one digest: its JSON, its e-mail and the text for a chat, within the size limit of SNS."""

import json
from typing import Any

from jobledger.digest.claims import DigestMessages
from jobledger.digest.content import Digest
from jobledger.digest.document import VERSION, machine_json
from jobledger.digest.text import TextOptions, Texts, render_texts
from jobledger.sns import MAX_BYTES, Notification

KIND = "Digest"


def render_messages(digest: Digest, options: TextOptions) -> DigestMessages:
    """Return the messages of a digest."""
    texts = render_texts(digest, options)
    empty = _notification(digest, "", texts)
    machine = machine_json(digest, MAX_BYTES - empty.size(), options.board_of)
    return DigestMessages(_notification(digest, machine, texts), _chat(digest, texts))


def _notification(digest: Digest, machine: str, texts: Texts) -> Notification:
    attributes: dict[str, str | tuple[str, ...]] = {
        "Kind": KIND,
        "Verdict": digest.verdict.value,
        "HasFailures": "true" if digest.has_failures else "false",
        "Version": VERSION,
    }
    if digest.source:
        attributes |= {"Account": digest.account, "Region": digest.region}
    if digest.changed_families:
        attributes["Families"] = tuple(family.value for family in digest.changed_families)
    return Notification(
        bodies={"default": machine, "email": texts.email},
        subject=texts.subject,
        attributes=attributes,
    )


def _chat(digest: Digest, texts: Texts) -> Notification:
    """Return an Amazon Q Developer custom notification, threaded by digest.

    https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
    """
    said: dict[str, Any] = {
        "version": "1.0",
        "source": "custom",
        "id": digest.digest_id,
        "content": {
            "textType": "client-markdown",
            "title": texts.subject,
            "description": texts.verdict,
            "keywords": [digest.verdict.value, *digest.changed_families],
        },
        "metadata": {
            "threadId": digest.digest_id,
            "summary": texts.verdict,
            "eventType": KIND,
        },
    }
    if texts.look_closer:
        commands = " or ".join(f"`{command}`" for command in texts.look_closer)
        said["content"]["nextSteps"] = [f"Look closer: {commands}"]
    return Notification(bodies={"default": json.dumps(said)})
