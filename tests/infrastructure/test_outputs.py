"""The setting outputBuckets: what it adds, what its role may do and may not, and that without it there is nothing."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from jobledger.service import Family
from stacks.settings import Settings, SettingsError
from testing.builders import SCOPE as TEST_SCOPE
from testing.memory_dynamodb import MemoryDynamoDB
from tests.infrastructure import iam
from tests.infrastructure.alarm_rules import metrics_of
from tests.infrastructure.allowed import FIND
from tests.infrastructure.chosen import OUTPUTS
from tests.infrastructure.template_reading import by_path, listed, of_type, readable
from tests.unit.outputs.world import OutputsWorld, ended_job

ROLE = "Outputs/FunctionRole"
KEY = "arn:aws:kms:us-east-1:111122223333:key/1a2b3c4d-0000-4000-8000-00000000000{}"
SCOPE = "AWS::AccountId/AWS::Region"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: of all inline policies of a role.
MOST_POLICY_CHARACTERS = 10_240
LONG = {
    "outputBuckets": ",".join(f"bucket-{number}/{'p' * 89}" for number in range(20)),
    "outputKeyArns": ",".join(KEY.format(0)[:-2] + f"{number:02}" for number in range(20)),
}


@pytest.mark.parametrize(
    "key, value, expected",
    [
        ("outputBuckets", "codes", ("codes",)),
        ("outputBuckets", f"a.b-3, {'c' * 63}/out/2026/", ("a.b-3", f"{'c' * 63}/out/2026/")),
        ("outputBuckets", ["codes/a b"], ("codes/a b",)),
        ("outputBuckets", "", ()),
        ("outputKeyArns", KEY.format(1), (KEY.format(1),)),
        ("characterPrices", "SNOMEDCT=0.0005, PHI=1", ("SNOMEDCT=0.0005", "PHI=1")),
    ],
)
def test_a_good_value_is_taken(key, value, expected):
    settings = Settings.from_context({"outputBuckets": "codes", key: value})
    fields = {
        "outputBuckets": settings.output_buckets,
        "outputKeyArns": settings.output_key_arns,
        "characterPrices": settings.character_prices,
    }
    assert fields[key] == expected


@pytest.mark.parametrize(
    "key, value, problem",
    [
        ("outputBuckets", "s3://codes/out", "'s3://codes/out' does not begin with the name of"),
        ("outputBuckets", "Codes", "'Codes' does not begin with the name of a bucket"),
        ("outputBuckets", "co", "does not begin"),
        ("outputBuckets", "c" * 64, "does not begin"),
        ("outputBuckets", "codes-", "does not begin"),
        ("outputBuckets", "co..des", "does not begin"),
        ("outputBuckets", "192.168.5.4", "does not begin"),
        ("outputBuckets", "codes_out", "does not begin"),
        ("outputBuckets", "xn--codes", "does not begin"),
        ("outputBuckets", "codes--x-s3", "does not begin"),
        ("outputBuckets", "/out", "does not begin"),
        ("outputBuckets", "*", "does not begin"),
        ("outputBuckets", "codes/", "'codes/' has no prefix after the slash"),
        ("outputBuckets", "codes//out", "has no prefix after the slash"),
        ("outputBuckets", "codes/*", "'codes/*' has a character that a prefix cannot have here"),
        ("outputBuckets", "codes/${aws:username}", "has a character"),
        ("outputBuckets", "codes/o?t", "has a character"),
        ("outputBuckets", "codes/ä", "has a character"),
        ("outputBuckets", ["codes/a,b"], "has a character"),
        ("outputBuckets", "codes,codes", "'codes' is listed twice"),
        ("outputBuckets", {"codes": "out"}, "is not a list"),
        ("outputBuckets", f"codes/{'p' * 2_000}", "the list is too long: 1 entries"),
        ("outputBuckets", LONG["outputBuckets"] + ",codes", "too long: 21 entries"),
        ("outputKeyArns", "arn:aws:kms:us-east-1:111122223333:alias/a", "is not valid"),
        ("outputKeyArns", KEY.format(1).replace("aws", "aws-cn"), "is of the partition aws-cn"),
        (
            "outputKeyArns",
            LONG["outputKeyArns"] + f",{KEY.format(9)[:-2]}99",
            "too long: 21 entries",
        ),
        ("characterPrices", "SNOMED=1", "'SNOMED' is not a family, did you mean SNOMEDCT?"),
        ("characterPrices", "0.0005", "'0.0005' is not a family"),
        ("characterPrices", "PHI", "'' is not a price of PHI"),
        ("characterPrices", "PHI=0,0005", "'0005' is not a family"),
        ("characterPrices", "PHI=-1", "'-1' is not a price of PHI"),
        ("characterPrices", "PHI=1e3", "'1e3' is not a price of PHI"),
        ("characterPrices", "PHI=1,PHI=2", "'PHI' has two prices"),
        ("characterPrices", {"PHI": 1}, "is not a list"),
    ],
)
def test_a_bad_value_is_refused_with_what_is_allowed(key, value, problem):
    with pytest.raises(SettingsError) as refused:
        Settings.from_context({"outputBuckets": "codes", key: value})
    text = str(refused.value)
    assert text.startswith(f"setting {key}: ")
    assert problem in text
    assert "; allowed: " in text
    assert "\n" not in text


@pytest.mark.parametrize("given", [{}, {"outputBuckets": ""}])
def test_keys_and_prices_need_buckets(given):
    needing = {key: OUTPUTS[key] for key in ("outputKeyArns", "characterPrices")}
    with pytest.raises(SettingsError) as refused:
        Settings.from_context(given | needing)
    assert str(refused.value).splitlines() == [
        f"setting {key}: it needs the setting outputBuckets; allowed: only together with outputBuckets"
        for key in needing
    ]
    assert Settings.from_context(given | dict.fromkeys(needing, "")) == Settings()


def test_the_default_template_has_nothing_of_outputs(template):
    text = json.dumps(template.to_json())
    words = ("Outputs/", "OutputsF", "SchedulerRoleForOutputs", "_OUTPUTS", "OUTPUT_", "PRICES")
    assert [word for word in (*words, "s3:", "#outputs") if word in text] == []


def statements(resources, role):
    return {each["Sid"]: each for each in iam.statements(resources, role)}


def may(resources, action, resource="Ledger.Arn", partitions=()):
    """Whether the role of outputs allows an action on an object, or on rows of partitions."""
    keys = {"dynamodb__LeadingKeys": list(partitions)} if partitions else {}
    return iam.may(iam.statements(resources, ROLE), action, resource, **keys)


FOLDER = "Manifest_111122223333-SNOMEDCT-1a2b3c"


@pytest.mark.parametrize(
    "key, allowed",
    [
        ("codes/Manifest", True),
        ("codes/a/Manifest", True),
        (f"codes/a/{FOLDER}/failed/x.json", True),
        ("notes/out/2026/Manifest", True),
        (f"notes/out/2026-11/{FOLDER}/failed/x.json", True),
        ("codes/a/patient-7.txt", False),
        ("codes/a/patient-7.txt.out", False),
        ("codes/a/Manifest.txt", False),
        ("codes/a/manifest", False),
        ("codes/a/Manifest/x.json", False),
        ("notes/Manifest", False),
        (f"notes/in/{FOLDER}/failed/x.json", False),
        ("notes/out/2026/patient-7.txt.out", False),
        ("other/Manifest", False),
        ("codes2/Manifest", False),
    ],
)
def test_the_role_reads_manifests_and_no_other_object(full, key, allowed):
    assert may(full, "s3:GetObject", f"arn:AWS::Partition:s3:::{key}") == allowed


def test_the_role_has_one_action_of_s3_and_one_of_its_keys(full):
    found = statements(full, ROLE).values()
    actions = [action for each in found for action in listed(each["Action"])]
    assert [action for action in actions if action.startswith("s3:")] == ["s3:GetObject"]
    with_key = [each for each in found if OUTPUTS["outputKeyArns"] in str(each["Resource"])]
    assert [each["Action"] for each in with_key] == ["kms:Decrypt"]


def test_without_keys_the_role_decrypts_nothing_of_s3(synthesise):
    resources = synthesise(outputBuckets="codes").to_json()["Resources"]
    assert "DecryptManifests" not in statements(resources, ROLE)


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


@pytest.fixture
def requests(monkeypatch):
    """What the outputs function asks of DynamoDB, as actions with the partition keys of their request."""
    asked: set[tuple[str, frozenset[str]]] = set()

    def kept(name: str) -> None:
        plain = getattr(MemoryDynamoDB, name)

        def keep(self: Any, **request: Any) -> Any:
            asked.update(_actions(name, request))
            return plain(self, **request)

        monkeypatch.setattr(MemoryDynamoDB, name, keep)

    for name in ("get_item", "batch_get_item", "query", "put_item", "transact_write_items"):
        kept(name)
    return asked


def _actions(name: str, request: Any) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield what one request needs: each item of a transaction the permission of its operation."""
    if name != "transact_write_items":
        operation = "".join(map(str.capitalize, name.split("_")))
        rows = [request[key] for key in ("Key", "Item") if key in request]
        yield operation, frozenset(row["PK"]["S"] for row in rows)
        return
    items = [next(iter(each.items())) for each in request["TransactItems"]]
    partitions = frozenset((of.get("Item") or of["Key"])["PK"]["S"] for _, of in items)
    for kind, _ in items:
        yield f"{kind}Item", partitions


def test_the_role_allows_what_the_code_asks_and_each_permission_is_used(full, requests):
    world = OutputsWorld(*map(ended_job, (1, 2, 3)))
    requests.clear()
    world.put(1, 5, "InternalServerError")
    world.end(ended_job(1), ended_job(2))
    world.forward()
    world.queue_days(3)
    scope = {part.replace(TEST_SCOPE, SCOPE) for _, found in requests for part in found}
    assert f"{SCOPE}#outputs" in scope
    for operation, partitions in requests:
        keys = [each.replace(TEST_SCOPE, SCOPE) for each in partitions]
        assert may(full, f"dynamodb:{operation}", partitions=keys), (operation, keys)
    allowed = {
        action.removeprefix("dynamodb:")
        for sid in ("ReadLedger", "WriteOutputs", "RemoveWaiting")
        for action in listed(statements(full, ROLE)[sid]["Action"])
    }
    assert allowed == {operation for operation, _ in requests}


def test_a_role_with_the_longest_settings_fits_into_its_policy_and_its_variables(synthesise):
    resources = synthesise(**LONG).to_json()["Resources"]
    assert 1_980 < len(LONG["outputBuckets"]) <= 2_000
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


def test_the_function_gets_the_changes_that_events_are_sent_for(full):
    mappings = {
        properties["FunctionName"]["Ref"]: {
            name: value
            for name, value in properties.items()
            if name not in ("FunctionName", "DestinationConfig")
        }
        for properties in of_type(full, "AWS::Lambda::EventSourceMapping").values()
    }
    changes, outputs = mappings.values()
    assert changes == outputs
    assert changes["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_functions_that_show_outputs_know_that_there_are_some(full, chosen, resources):
    for path in ("Api", "Digest", "JobAlerts"):
        for template, expected in ((full, "true"), (chosen, "true"), (resources, None)):
            function = by_path(template)[f"{path}/Function"]["Properties"]
            assert function["Environment"]["Variables"].get("READS_OUTPUTS") == expected
    prices = [
        path
        for path, function in of_type(full, "AWS::Lambda::Function").items()
        if "CHARACTER_PRICES" in function.get("Environment", {}).get("Variables", {})
    ]
    assert prices == ["Api/Function"]


def test_alerts_read_the_ledger_only_to_show_outputs(full, resources):
    sids = {sid for sid in FIND if sid in statements(full, "JobAlerts/FunctionRole")}
    assert sids == FIND.keys()
    assert not FIND.keys() & statements(resources, "JobAlerts/FunctionRole").keys()


def test_one_alarm_more_and_the_dead_letters_of_digests_say_what_can_be_given_up(full, resources):
    alarms = {
        path: alarm
        for path, alarm in of_type(full, "AWS::CloudWatch::Alarm").items()
        if path.startswith("Outputs/")
    }
    names = [each["MetricName"] for alarm in alarms.values() for each in metrics_of(alarm).values()]
    assert names == ["OutputsFailing"]
    for template, said in ((full, True), (resources, False)):
        alarm = by_path(template)["Digest/GivenUpAlarm"]["Properties"]["AlarmDescription"]
        assert ("a run that reads manifests" in alarm) == said


def test_the_function_has_a_name_among_the_outputs_of_the_stack(synthesise, template):
    outputs = synthesise(outputBuckets="codes").to_json()["Outputs"]
    assert outputs["OutputsFunctionName"]["Value"]["Ref"].startswith("OutputsFunction")
    assert outputs.keys() - template.to_json()["Outputs"] == {"OutputsFunctionName"}
