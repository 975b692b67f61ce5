"""The setting outputBuckets: what its role may do and may not, and that without it there is nothing."""

import json

import pytest

from jobledger.service import Family
from tests.infrastructure import iam
from tests.infrastructure.template_reading import by_path, of_type, readable
from tests.infrastructure.test_settings import LONG

ROLE = "Outputs/FunctionRole"
SCOPE = "AWS::AccountId/AWS::Region"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: of all inline policies of a role.
MOST_POLICY_CHARACTERS = 10_240
FOLDER = "Manifest_111122223333-SNOMEDCT-1a2b3c"


def test_the_default_template_has_nothing_of_outputs(template):
    text = json.dumps(template.to_json())
    words = ("Outputs/", "OutputsF", "SchedulerRoleForOutputs", "_OUTPUTS", "OUTPUT_", "PRICES")
    assert [word for word in (*words, "s3:", "#outputs") if word in text] == []


def may(resources, action, resource="Ledger.Arn", partitions=()):
    """Whether the role of outputs allows an action on an object, or on rows of partitions."""
    keys = {"dynamodb__LeadingKeys": list(partitions)} if partitions else {}
    return iam.may(iam.statements(resources, ROLE), action, resource, **keys)


READ = (
    *("codes/Manifest", "codes/a/Manifest", f"codes/a/{FOLDER}/failed/x.json"),
    *("notes/out/2026/Manifest", f"notes/out/2026-11/{FOLDER}/failed/x.json"),
)
NOT_READ = (
    *("codes/a/patient-7.txt", "codes/a/patient-7.txt.out", "codes/a/Manifest.txt"),
    *("codes/a/manifest", "codes/a/Manifest/x.json", "notes/Manifest", "codes2/Manifest"),
    *(f"notes/in/{FOLDER}/failed/x.json", "notes/out/2026/patient-7.txt.out", "other/Manifest"),
)


def test_the_role_reads_manifests_and_no_other_object(full):
    for key in (*READ, *NOT_READ):
        allowed = may(full, "s3:GetObject", f"arn:AWS::Partition:s3:::{key}")
        assert allowed == (key in READ), key


@pytest.mark.parametrize(
    "partition, written, deleted",
    [
        *((f"{SCOPE}/{family.value}", True, False) for family in Family),
        (f"{SCOPE}#totals#3", True, False),
        (f"{SCOPE}#outputs", True, True),
        (f"{SCOPE}/PHI#changes", False, False),
        (f"{SCOPE}/PHI#active", False, False),
        (f"{SCOPE}#ended", False, False),
        ("444455556666/AWS::Region/PHI", False, False),
        *((name, False, False) for name in ("state", "digest", "pace", "claim")),
    ],
)
def test_the_role_writes_rows_of_jobs_totals_and_its_own(full, partition, written, deleted):
    for actions, allowed in (("Put Update", written), ("Delete", deleted)):
        for action in actions.split():
            assert may(full, f"dynamodb:{action}Item", partitions=[partition]) == allowed
    # A transaction with a row that is not allowed is not allowed.
    both = [partition, f"{SCOPE}#totals#3"]
    assert may(full, "dynamodb:PutItem", partitions=both) == written
    assert not may(full, "dynamodb:Scan", partitions=[partition])


def test_a_role_with_the_longest_settings_fits_into_its_policy_and_its_variables(synthesise):
    resources = synthesise(**LONG).to_json()["Resources"]
    # CDK moves what does not fit to a managed policy.
    (inline,) = (
        each["PolicyDocument"]
        for each in readable([*of_type(resources, "AWS::IAM::Policy").values()], resources)
        if ROLE in each["Roles"]
    )
    policy = json.dumps(inline["Statement"], separators=(",", ":"))
    # References are ARNs of up to 100 characters after the deployment.
    assert len(policy) + 100 * policy.count(".Arn") < MOST_POLICY_CHARACTERS
    variables = by_path(resources)["Outputs/Function"]["Properties"]["Environment"]["Variables"]
    assert len(json.dumps(variables)) < 3_500
