"""Decides about requests as IAM does, with the parts of policies that the stacks use; references are text."""

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any

from tests.infrastructure.template_reading import Resources, listed, of_type, readable

Context = Mapping[str, Any]


def statements(resources: Resources, role: str) -> list[dict[str, Any]]:
    """Return the statements of all policies of a role."""
    policies = [
        policy
        for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")
        for policy in of_type(resources, kind).values()
        if role in readable(policy.get("Roles", []), resources)
    ]
    found = [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]
    return [readable(each, resources) for each in found]


def may(found: Iterable[Mapping[str, Any]], action: str, resource: str, **context: Any) -> bool:
    """Whether a statement allows an action on a resource: in the context, `aws__PrincipalArn` is `aws:PrincipalArn`."""
    keys = {name.replace("__", ":"): value for name, value in context.items()}
    allowing = [each for each in found if _applies(each, action, resource, keys)]
    assert {each["Effect"] for each in allowing} <= {"Allow"}
    return bool(allowing)


def trusts(role: Mapping[str, Any], account: str, **context: Any) -> bool:
    """Whether a role's trust policy lets a principal of an account assume it."""
    found = [
        each | {"Resource": "*"}
        for each in role["AssumeRolePolicyDocument"]["Statement"]
        if f":iam::{account}:root" in each["Principal"].get("AWS", "")
    ]
    return may(found, "sts:AssumeRole", "*", **context)


def _applies(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    conditions = statement.get("Condition", {})
    return (
        action in listed(statement["Action"])
        and any(_matches(resource, pattern) for pattern in listed(statement["Resource"]))
        and all(_holds(operator, keys, context) for operator, keys in conditions.items())
    )


def _holds(operator: str, keys: Mapping[str, Any], context: Context) -> bool:
    """Whether a condition holds. A key that the request lacks: only `Null`, and what is `ForAllValues`, can hold."""
    quantifier, _, name = operator.rpartition(":")
    compare = {"StringEquals": str.__eq__, "StringLike": _matches}
    for key, allowed in keys.items():
        values = listed(context.get(key, []))
        if name == "Null":
            holds = (not values) == (allowed == "true")
        else:
            found = [
                any(compare[name](value, pattern) for pattern in listed(allowed))
                for value in values
            ]
            holds = all(found) if quantifier == "ForAllValues" else bool(found) and all(found)
        if not holds:
            return False
    return True


def _matches(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))
