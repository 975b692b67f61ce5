"""The root certificates that AWS's endpoints are verified with.

botocore's file has more than a hundred, which urllib3 parses for every connection (its issue 3623): 17 ms of
processor time. Here they are parsed for the first connection of a client only. And every public endpoint of the
partition `aws` chains to one of Amazon's five, which the bundle has in a file of their own
(stacks/packaging/slim.py): parsing those takes less than 1 ms.
"""

import os
import ssl
from pathlib import Path
from typing import Any

import botocore
from botocore import httpsession
from botocore.exceptions import UnknownRegionError
from botocore.session import Session

AMAZON_ROOTS = Path(botocore.__file__).with_name("amazon-roots.pem")
_CHOSEN = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")


class ParsedOnce(ssl.SSLContext):
    """The context of a client's connections, which parses a file of certificates once."""

    def load_verify_locations(self, *locations: Any, **named: Any) -> None:
        """Load certificates, unless they are loaded."""
        loaded = vars(self).setdefault("_loaded", [])
        if (locations, named) not in loaded:
            super().load_verify_locations(*locations, **named)
            loaded.append((locations, named))


httpsession.SSLContext = ParsedOnce


def use_amazon_roots(session: Session) -> None:
    """Let a session's clients trust Amazon's roots only, if all of their endpoints chain to them.

    In another partition, at a configured endpoint or behind a proxy, they may not. `AWS_CA_BUNDLE`, botocore's
    own variable, chooses another file, as before.
    """
    if AMAZON_ROOTS.exists() and not _is_configured(session) and _partition(session) == "aws":
        session.set_config_variable("ca_bundle", str(AMAZON_ROOTS))


def _is_configured(session: Session) -> bool:
    """Whether certificates, endpoints or proxies are configured, or may be in a file."""
    return bool(session.full_config["profiles"]) or any(
        name in _CHOSEN
        or name.startswith("AWS_ENDPOINT_URL")
        or name.lower() in ("http_proxy", "https_proxy", "all_proxy")
        for name in os.environ
    )


def _partition(session: Session) -> str | None:
    region = session.get_config_variable("region")
    try:
        return str(session.get_partition_for_region(region)) if region else None
    except UnknownRegionError:
        return None
