"""The only caller of S3: reads whole objects, of a bounded size and in a bounded time."""

import logging
import time
from collections.abc import Callable
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from jobledger.clients import session_with_handlers
from jobledger.errors import (
    ObjectDenied,
    ObjectMissing,
    ObjectTooLarge,
    StoreError,
    StoreUnavailable,
)

# Two attempts of six seconds, with their pause, and the time to read end before LONGEST_READ_SECONDS.
CONFIG = Config(
    connect_timeout=1,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 2},
    s3={"us_east_1_regional_endpoint": "regional"},
    # The other default is to ask for a checksum, which a read in parts would not use.
    response_checksum_validation="when_required",
)
LONGEST_READ_SECONDS = 35
"""The maximum duration of a `read`."""
_LONGEST_BODY_SECONDS = 15
_SECONDS_BETWEEN_READS = 0.1
_PART = 2**18


class Store:
    """Reads objects, at most ten a second."""

    def __init__(
        self,
        client: Any,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._now = now
        self._sleep = sleep
        self._next = now()

    @classmethod
    def connect(cls) -> "Store":
        """Return the store with its own client, bounded retries and timeouts, that follows no redirect."""
        # A warning of theirs can have the address of an object.
        for name in ("botocore", "urllib3"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        client = session_with_handlers("s3").create_client("s3", config=CONFIG)
        client.meta.events.register_last("before-parameter-build.s3", _follow_no_redirect)
        return cls(client)

    def read(self, bucket: str, key: str, limit: int) -> bytes | bytearray:
        """Return the bytes of an object; raises a StoreError.

        A role that may not list the bucket, such as ours, is denied an object that does not exist.
        """
        self._sleep(max(0.0, self._next - self._now()))
        self._next = self._now() + _SECONDS_BETWEEN_READS
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key)
            return self._body(answer, limit)
        except ClientError as error:
            raise _ours(error) from error
        except UnicodeEncodeError as error:
            raise ObjectMissing("InvalidKey") from error
        except (BotoCoreError, HTTPError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error

    def _body(self, answer: Any, limit: int) -> bytearray:
        """Read the object in parts, as they come: botocore's stream waits for a whole part, however slow it is."""
        end = self._now() + _LONGEST_BODY_SECONDS
        size, data = answer.get("ContentLength"), bytearray()
        with answer["Body"] as stream:
            if size is not None and size > limit:
                raise ObjectTooLarge("TooLarge")
            while part := stream.read1(_PART):
                data += part
                if len(data) > limit:
                    raise ObjectTooLarge("TooLarge")
                if self._now() > end:
                    raise StoreUnavailable("TooSlow")
        if size is not None and len(data) != size:
            raise StoreUnavailable("IncompleteRead")
        return data


def _ours(error: ClientError) -> StoreError:
    code = error.response["Error"]["Code"]
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if status == 404:
        return ObjectMissing(code)
    # S3 answers 400 when a key of KMS is disabled or gone.
    if status == 403 or code.startswith("KMS."):
        return ObjectDenied(code)
    return StoreUnavailable(code)


def _follow_no_redirect(context: dict[str, Any], **_: Any) -> None:
    """Keep botocore from asking for the bucket's region, which needs the permission to list the bucket."""
    context["s3_redirect"]["redirected"] = True
