"""The only caller of SQS: puts records of the stream aside in the queue `Undelivered`."""

import json
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jobledger.clients import session
from jobledger.errors import QueueRefused

CONFIG = Config(
    connect_timeout=1,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 3},
)


class Undelivered:
    """The queue of what was not delivered."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    @classmethod
    def connect(cls, url: str) -> "Undelivered":
        """Return the queue with its own client, bounded retries and timeouts."""
        return cls(session().create_client("sqs", config=CONFIG), url)

    def put(self, entry: dict[str, str | None]) -> None:
        """Send one entry. Raises QueueRefused."""
        try:
            self._client.send_message(QueueUrl=self._url, MessageBody=json.dumps(entry))
        except ClientError as error:
            raise QueueRefused(error.response["Error"]["Code"]) from error
        except BotoCoreError as error:
            raise QueueRefused(type(error).__name__) from error
