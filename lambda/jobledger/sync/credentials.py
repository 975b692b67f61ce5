"""The credentials of a member: those of its role, which the sync function assumes.

botocore asks for new ones when they are needed: 15 minutes before the old ones end and, at the latest, 10 minutes
before. A role that cannot be assumed any more is therefore noticed when its credentials end.
"""

import logging
from datetime import UTC, datetime
from typing import Any

from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import CredentialRetrievalError

from jobledger.clients import InvalidResponse, session, session_with_handlers
from jobledger.settings import required

CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    # The next run is the retry: until credentials end, each call asks again for new ones.
    retries={"mode": "standard", "total_max_attempts": 1},
    max_pool_connections=25,
)


class MemberCredentials(DeferredRefreshableCredentials):  # type: ignore[misc] # botocore has no types
    """Credentials that are fetched when a request needs them."""

    def forget(self) -> None:
        """Fetch new ones for the next request: the service refuses these."""
        self._frozen_credentials = None


class Members:
    """The roles of the members. `sts` is the client that assumes them; the log of a member shows the `scope`."""

    def __init__(self, sts: Any, scope: str, role_name: str, external_id: str) -> None:
        self._sts = sts
        self._role_name = role_name
        self._external_id = external_id
        self._session_name = f"JobLedger-{scope.replace('/', '.')}"

    @classmethod
    def connect(cls, scope: str) -> "Members":
        """Return the members of the deployment, with a client of STS in the deployment's region."""
        # botocore logs why a role cannot be assumed, with ARNs; the line of the sync has the error's name.
        logging.getLogger("botocore.credentials").setLevel(logging.ERROR)
        sts = session_with_handlers("sts").create_client("sts", config=CONFIG)
        return cls(sts, scope, required("MEMBER_ROLE_NAME"), required("EXTERNAL_ID"))

    def credentials(self, source: str) -> MemberCredentials:
        """Return the credentials for a source of another account. No call is made yet."""
        account, _, region = source.partition("/")
        partition = session().get_partition_for_region(region)
        arn = f"arn:{partition}:iam::{account}:role/{self._role_name}"
        return MemberCredentials(lambda: self._assume(arn), "assume-role")

    def _assume(self, arn: str) -> dict[str, str]:
        answer = self._sts.assume_role(
            RoleArn=arn, RoleSessionName=self._session_name, ExternalId=self._external_id
        )
        given = answer["Credentials"]
        try:
            fetched = {
                "access_key": given["AccessKeyId"],
                "secret_key": given["SecretAccessKey"],
                "token": given["SessionToken"],
                "expiry_time": given["Expiration"].isoformat(),
            }
        except KeyError as error:
            raise InvalidResponse from error
        if given["Expiration"] <= datetime.now(UTC):
            # botocore would raise a RuntimeError.
            raise CredentialRetrievalError(provider="assume-role", error_msg="they have expired")
        return fetched
