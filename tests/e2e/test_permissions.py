"""The deployed stack with IAM enforced: each function works with its role, and not with less."""

import functools
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e import permission_uses as uses
from tests.e2e.permissions import NEEDED, OF_NO_USE_HERE, OF_NO_USE_IN_ROLE
from tests.e2e.stack import wait_until
from tests.infrastructure.allowed import ROLES

pytestmark = pytest.mark.xdist_group("enforced")

USES = [*{use.__name__: use for use in NEEDED.values()}.values()]


def test_every_permission_is_used_or_has_a_reason_why_not():
    permissions = {
        (role, sid, action)
        for role, statements in ROLES.items()
        for sid, allowed in statements.items()
        for action in allowed.actions
        if sid not in OF_NO_USE_HERE
    }
    assert not NEEDED.keys() & OF_NO_USE_IN_ROLE.keys()
    assert permissions == NEEDED.keys() | OF_NO_USE_IN_ROLE.keys()


# `changes` needs the change that `sync` makes.
@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
def test_each_function_works_with_its_role(enforced, use):
    use(enforced)


@pytest.mark.parametrize("permission", NEEDED, ids=" ".join)
def test_without_a_permission_its_use_fails(enforced, permission):
    use = NEEDED[permission]

    def fails() -> bool:
        try:
            use(enforced)
        except AssertionError:
            return True
        return False

    with enforced.without(*permission):
        # A sync of the last two seconds is shared without another call.
        wait_until(fails, 10, f"{use.__name__} fails without it", every=0.5)


def test_the_outputs_function_may_not_read_an_object_that_is_no_manifest_or_of_another_bucket(
    enforced,
):
    """What the resources of `ReadManifests` are for, with the function's own credentials."""
    manifest, others = "out/1/Manifest", ("out/1/notes.txt", "out/Manifest-1/a", "in/1/Manifest")
    for key in (manifest, *others):
        uses.write_object(enforced, key, b"{}")
    s3 = enforced.with_role("Outputs/FunctionRole", "s3")
    assert s3.get_object(Bucket="codes", Key=manifest)["Body"].read() == b"{}"
    denied = [functools.partial(s3.get_object, Bucket="codes", Key=key) for key in others]
    denied += [functools.partial(s3.get_object, Bucket=uses.ANSWERS, Key=manifest)]
    denied += [functools.partial(s3.list_objects_v2, Bucket="codes"), s3.list_buckets]
    denied += [functools.partial(s3.put_object, Bucket="codes", Key=manifest, Body=b"")]
    for call in denied:
        with pytest.raises(ClientError, match="AccessDenied"):
            call()


@pytest.mark.parametrize(
    "role, sid, use",
    [
        ("Outputs/FunctionRole", "WriteOutputs", uses.output),
        ("Digest/FunctionRole", "WriteOwnRows", uses.digest),
    ],
)
def test_a_function_may_not_write_rows_of_others(enforced, role, sid, use):
    """What `dynamodb:LeadingKeys` is for, with the function's own credentials."""

    def to_another_key(statement: dict[str, Any]) -> None:
        (allowed,) = (name for name in statement["Condition"] if name.startswith("ForAllValues:"))
        statement["Condition"][allowed]["dynamodb:LeadingKeys"] = ["another"]

    with enforced.changed(role, sid, to_another_key), pytest.raises(AssertionError):
        use(enforced)
    use(enforced)
