"""The template as a reviewer reads it: types, paths in the stack, and a line for each property.

References are paths. Left out are what changes with each build, the policies that `test_roles.py` holds statement by
statement, and the texts that other tests compare with their source.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

from testing.processes import ROOT
from tests.infrastructure.template_reading import path_of, readable

# By type: properties, or all of them.
_WHOLLY = (
    *("ApiGateway::Deployment", "ApiGateway::Method", "ApiGateway::Resource"),
    *("CloudWatch::Dashboard", "Lambda::Permission", "Logs::QueryDefinition"),
    *("IAM::ManagedPolicy", "IAM::Policy", "IAM::Role", "SNS::TopicPolicy", "SQS::QueuePolicy"),
)
LEFT_OUT = {f"AWS::{kind}": ("*",) for kind in _WHOLLY} | {
    "AWS::KMS::Key": ("KeyPolicy",),
    "AWS::Lambda::Function": ("Code",),
    "Custom::JobLedgerFirstSync": ("Reason",),
}
_POLICIES = ("DeletionPolicy", "UpdateReplacePolicy")
Lines = dict[str, dict[str, list[str]]]


def lines_of(template: dict[str, Any]) -> Lines:
    """Return the lines of each resource by type and path, and the stack's outputs."""
    resources = template["Resources"]
    outputs = ((name, {"Value": each["Value"]}) for name, each in template["Outputs"].items())
    values = {name: [*_lines("", readable(value, resources))] for name, value in outputs}
    found: Lines = {"Outputs": values}
    for logical_id, resource in resources.items():
        left_out = LEFT_OUT.get(resource["Type"], ())
        if "*" not in left_out:
            kept = {k: v for k, v in resource.get("Properties", {}).items() if k not in left_out}
            kept |= {name: resource[name] for name in _POLICIES if name in resource}
            lines = sorted(_lines("", readable(kept, resources)))
            found.setdefault(resource["Type"], {})[path_of(resource) or logical_id] = lines
    return found


def _lines(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _lines(f"{path}.{key}" if path else key, inner)
    else:
        yield f"{path} = {json.dumps(value, ensure_ascii=False)}"


def text_of(found: Lines) -> str:
    """Return all lines; those that every resource of a type has are written once, below `each`."""
    written = []
    for kind, resources in sorted(found.items()):
        common = set.intersection(*map(set, resources.values())) if len(resources) > 1 else set()
        written.append(kind)
        for path, lines in [("each", sorted(common)), *sorted(resources.items())]:
            own = [line for line in lines if path == "each" or line not in common]
            written += (
                [f"  {path}", *(f"    {line}" for line in own)] if own or path != "each" else []
            )
    return "\n".join(written) + "\n"


def difference_of(before: Lines, after: Lines) -> str:
    """Return what differs, `-` before and `+` after: resources, and below those that stay the lines."""
    written = []
    paths = {(path, kind) for found in (before, after) for kind in found for path in found[kind]}
    for path, kind in sorted(paths):
        old, new = (found.get(kind, {}).get(path, []) for found in (before, after))
        lines = [f"  - {line}" for line in old if line not in new] if new else []
        lines += [f"  + {line}" for line in new if line not in old]
        if lines or (old and not new):
            sign = "" if old and new else "+ " if new else "- "
            written += [f"{sign}{path} ({kind})", *lines]
    return "\n".join(written) + "\n"


def assert_golden(name: str, text: str) -> None:
    """Compare with a file of `tests/golden`, or write it."""
    file = ROOT / "tests" / "golden" / name
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
