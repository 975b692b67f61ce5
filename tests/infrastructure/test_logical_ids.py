"""The template's logical ids and types are those of the last release: a deployed stack updates in place.

CloudFormation replaces a resource whose logical id changes. `logical_ids.json` is the list of the
released version; a new resource is added to it by hand, and no entry is ever removed or changed.
"""

import json
import re
from pathlib import Path

import pytest

LISTED = json.loads(Path(__file__).with_name("logical_ids.json").read_text(encoding="utf-8"))
CONFIGURATIONS = {
    "default": {},
    "subscriptions": {
        "chatDigests": "true",
        "digestEmails": "a@example.org",
        "alertEmails": "b@example.org",
    },
}


def without_content_hash(logical_id: str, resource_type: str) -> str:
    """Return the id without the hash of the API that an API Gateway deployment's id ends with."""
    if resource_type == "AWS::ApiGateway::Deployment":
        return re.sub(r"[0-9a-f]{32}$", "", logical_id)
    return logical_id


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_deployed_stack_updates_in_place(synthesise, name):
    resources = synthesise(**CONFIGURATIONS[name]).to_json()["Resources"]
    ids = {
        without_content_hash(logical_id, resource["Type"]): resource["Type"]
        for logical_id, resource in resources.items()
    }
    assert dict(sorted(ids.items())) == LISTED[name]
