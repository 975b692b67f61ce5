"""Finds the API of a deployment, and opens the session that signs for it."""

import os
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from job_ledger.errors import LedgerNotFound

STACK = "JobLedger"
_GIVE_URL = "pass --url (url=…) or set JOB_LEDGER_URL to its ApiUrl"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def find_url(url: str | None, client: Callable[..., Any]) -> str:
    """Return the API's address without a trailing slash: given, in the environment, or of the stack.

    `client` makes a botocore client. Raises LedgerNotFound.
    """
    found = url or os.environ.get("JOB_LEDGER_URL") or _url_of_stack(client)
    parts = urlsplit(found)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise LedgerNotFound(f"The URL of the API is not a web address: {_GIVE_URL}.")
    if parts.scheme == "http" and not is_loopback(found):
        raise LedgerNotFound("The API needs https: only an address of this machine may be http.")
    return found.rstrip("/")


def open_session(profile: str | None, region: str | None) -> Any:
    """Return a botocore session of the profile in the region that is given or in the environment."""
    from botocore.session import Session  # importing it would slow down a shell's completion

    session = Session(profile=profile)
    # Of the two variables, botocore reads AWS_DEFAULT_REGION only.
    if chosen := region or os.environ.get("AWS_REGION"):
        session.set_config_variable("region", chosen)
    return session


def is_loopback(url: str) -> bool:
    """Whether the address is of this machine, as that of the local deployment is."""
    return urlsplit(url).hostname in _LOOPBACK


def signing_region(url: str, region: str | None) -> str | None:
    """Return the region of an API Gateway address; of another one (a custom domain), the given one."""
    match = re.search(r"\.execute-api\.([a-z0-9-]+)\.", urlsplit(url).hostname or "")
    return match[1] if match else region


def _url_of_stack(client: Callable[..., Any]) -> str:
    from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

    try:
        outputs = _outputs(client)
    except NoRegionError as error:
        raise LedgerNotFound(
            f"No region is set to look for the stack {STACK} in: {_GIVE_URL}, or set AWS_REGION."
        ) from error
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise LedgerNotFound(
            f"The stack {STACK} was not found here ({code}): {_GIVE_URL}, "
            "or choose the account and region with --profile and --region."
        ) from error
    except BotoCoreError as error:
        raise LedgerNotFound(
            f"CloudFormation cannot be asked for the stack {STACK} ({one_line(error)}): {_GIVE_URL}."
        ) from error
    if "ApiUrl" not in outputs:
        raise LedgerNotFound(f"The stack {STACK} has no output ApiUrl: {_GIVE_URL}.")
    return outputs["ApiUrl"]


def _outputs(client: Callable[..., Any]) -> dict[str, str]:
    from botocore.config import Config

    config = Config(retries={"mode": "standard"}, connect_timeout=5, read_timeout=20)
    # botocore takes an empty answer for a success without members.
    answer = client("cloudformation", config=config).describe_stacks(StackName=STACK)
    outputs = [output for stack in answer.get("Stacks", []) for output in stack.get("Outputs", [])]
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


def one_line(error: Exception) -> str:
    """Return an error's message as one line without its full stop."""
    return " ".join(str(error).split()).rstrip(".")
