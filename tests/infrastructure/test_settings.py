"""Settings are read from context, checked, and refused in words that help."""

import re
from typing import Any

import pytest

from stacks.regions import arn_problems, source_problems
from stacks.setting_readers import FAMILIES
from stacks.settings import Settings, SettingsError, notes, unknown_keys
from tests.infrastructure.chosen import OUTPUTS
from tests.infrastructure.snapshot import assert_golden

UUID = "1a2b3c4d-0000-4000-8000-000000000000"
WEB_ACL = f"arn:aws:wafv2:us-east-1:111122223333:regional/webacl/a/{UUID}"
KEY = f"arn:aws:kms:us-east-1:111122223333:key/{UUID}"
KEY_OF_GOV = KEY.replace("aws", "aws-us-gov").replace("us-east-1", "us-gov-west-1")
MULTI_REGION_KEY = f"arn:aws:kms:us-east-1:111122223333:key/mrk-{'0' * 32}"
ONE = "222233334444/us-east-1"
MANY = [f"{100_000_000_000 + number}/eu-west-1" for number in range(201)]
# As long as the lists may be.
LONG = {
    "outputBuckets": ",".join(f"bucket-{number}/{'p' * 89}" for number in range(20)),
    "outputKeyArns": ",".join(f"{KEY[:-2]}{number:02}" for number in range(20)),
}
# What a setting has an effect with.
WITH = {
    **{key: {"outputBuckets": "codes"} for key in ("outputKeyArns", "characterPrices")},
    **{key: {"sources": ONE} for key in ("ownSource", "digestBy", "externalId")},
}
# Values of each key. The snapshot has what they are read as, or the line that refuses them.
VALUES: dict[str, list[object]] = {
    "families": [
        *("PHI", "PHI, RXNORM", [*FAMILIES], "SNOMED", "phi", "", "PHI,PHI", "PHI,,RXNORM", 5),
    ],
    "syncMinutes": ["1", 60, "0", "1.5", True, "²"],
    "name": ["Ward-7", "7Ward", "W" * 65],
    "allowedAccounts": ["011122223333, 444455556666", "11112222333", [111122223333]],
    "vpcEndpointIds": ["vpce-0a1b2c3d", "vpc-0a1b2c3d"],
    "webAclArn": [WEB_ACL, "hospital", WEB_ACL.replace("regional", "global")],
    "kmsKeyArn": [KEY_OF_GOV, MULTI_REGION_KEY, KEY.replace("key", "alias")],
    "logRetentionDays": ["3653", "100", True],
    "backupDays": [1, "0"],
    "retainLedger": ["False"],
    "chatDigests": ["yes"],
    "digestWhen": ["attention", "never"],
    "digestSchedule": [
        *("rate(1 minute)", "rate(12 hours)", "cron(15 10 ? * 6L 2026-2030)"),
        *("cron(*/15 * ? * 3#2 *)", "cron(0/5 8-17 ? * mon-FRI *)", "cron(0 8 LW JAN,6 ? *)"),
        *("cron(05 08 15W * ? *)", "0 8 * * ? *", "at(2026-01-01T00:00:00)", "cron(0 8 * * *)"),
        *("cron(0 8 * * * *)", "cron(60 8 * * ? *)", "cron(0 24 * * ? *)"),
        *("cron(0 8 ? * MONDAY *)", "cron(0 8 ? * 3#6 *)", "cron(0 8 * * ? 1969)"),
        *("cron(0/0 8 * * ? *)", "rate(0 minutes)", 5),
    ],
    "digestTimezone": [
        *("America/Argentina/Ushuaia", "europe/zurich", "Mars/Olympus_Mons"),
    ],
    "digestEmails": [
        *("", "a+b@x.example.org, c@b.org", ["a@example.org"], "a@localhost", "a@b@example.org"),
        *("a@example..org", "a@example.org;b@example.org", "a@example.org,a@example.org"),
    ],
    "includeJobDetails": ["true", False, "yes"],
    "bundleFor": ["host", "arm64"],
    "digestEmail": ["a@example.org"],
    "retain-ledger": ["true"],
    "outputBuckets": [
        *("codes", f"a.b-3, {'c' * 63}/out/2026/", ["codes/a b"], "", LONG["outputBuckets"]),
        *("s3://codes/out", "Codes", "co", "c" * 64, "codes-", "co..des", "192.168.5.4"),
        *("codes_out", "xn--codes", "codes--x-s3", "/out", "*", "codes/", "codes//out", "codes/*"),
        *("codes/${aws:username}", "codes/o?t", "codes/ä", ["codes/a,b"], "codes,codes"),
        *({"codes": "out"}, f"codes/{'p' * 2_000}", LONG["outputBuckets"] + ",codes"),
    ],
    "outputKeyArns": [
        *(LONG["outputKeyArns"], KEY.replace("key", "alias"), KEY.replace("aws", "aws-cn")),
        f"{LONG['outputKeyArns']},{KEY[:-2]}99",
    ],
    "characterPrices": [
        *("SNOMEDCT=0.0005, PHI=1", "SNOMED=1", "0.0005", "PHI=0,0005", "PHI", "PHI=-1", "PHI=1e3"),
        *("PHI=1,PHI=2", {"PHI": 1}),
    ],
    "sources": [
        *(ONE, f" {ONE}, 011122223333/eu-west-1", MANY[:200], "", ["222233334444/us-gov-west-1"]),
        *("22223333444/us-east-1", "us-east-1/222", "222233334444", "222233334444/"),
        *("222233334444/us-east-1/PHI", "222233334444/US-EAST-1", "222233334444/eu-central-1"),
        *("222233334444/us-east-9", f"{ONE},{ONE}", f"{ONE},,", {"a": 1}, [222233334444], MANY),
        f"{ONE},222233334444/us-gov-west-1",
    ],
    "ownSource": ["false", "true", "no"],
    "digestBy": ["source", "account"],
    "externalId": [
        *("a_b+c=d,e.f@g:h/i-j", "x" * 1224, "x", "a b", "ä" * 9, 1234, "x" * 1225),
    ],
    "lookupAccounts": ["222233334444", "2222", [one[:12] for one in MANY[:51]]],
    "hub": ["011122223333", "1111", 111122223333],
}


def test_a_value_is_taken_or_refused_in_one_line_with_what_is_allowed():
    lines = []
    for key, value in ((key, value) for key, values in VALUES.items() for value in values):
        try:
            settings = Settings.from_context({**WITH.get(key, {}), key: value})
        except SettingsError as refused:
            said = str(refused)
            assert re.fullmatch(rf"setting {key}: .*; allowed: .*", said), "one line"
        else:
            said = repr(getattr(settings, re.sub(r"(?=[A-Z])", "_", key).lower()))
        lines += [f"{key} = {shortened(repr(value))}", f"    {shortened(said)}"]
    assert_golden("settings.txt", "\n".join(lines) + "\n")


def shortened(text):
    return text if len(text) <= 500 else f"{text[:200]} … ({len(text)} characters) … {text[-200:]}"


# Settings that are good alone: together with others they are not.
TOGETHER: list[tuple[dict[str, Any], str, str]] = [
    ({"ownSource": "false"}, "ownSource", "it needs the setting sources"),
    ({"ownSource": "false", "sources": ""}, "ownSource", "it needs the setting sources"),
    ({"digestBy": "source"}, "digestBy", "it needs the setting sources"),
    ({"externalId": "ward-7"}, "externalId", "it needs the setting sources or hub"),
    ({"sources": MANY[:200], "externalId": "x" * 301}, "externalId", "it has 301 characters"),
    (
        {"sources": MANY[:200], "outputBuckets": f"codes/{'p' * 295}"},
        "outputBuckets",
        "it has 301 characters",
    ),
    ({"sources": ONE, "name": "W" * 59}, "name", "it is too long for the names of the roles"),
    (
        {"hub": "111122223333", "name": "W" * 59},
        "name",
        "it is too long for the names of the roles",
    ),
    *(
        ({**buckets, key: OUTPUTS[key]}, key, "it needs the setting outputBuckets")
        for buckets in ({}, {"outputBuckets": ""})
        for key in ("outputKeyArns", "characterPrices")
    ),
]


@pytest.mark.parametrize("context, key, problem", TOGETHER)
def test_settings_that_do_not_fit_together_are_refused(context, key, problem):
    with pytest.raises(SettingsError, match=f"^setting {key}: {problem}.*; allowed: ") as refused:
        Settings.from_context(context)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "partition, region, right",
    [
        ("aws", "us-gov-west-1", "aws-us-gov"),
        ("aws-us-gov", "us-east-1", "aws"),
        ("aws-cn", "eu-west-1", "aws"),
    ],
)
def test_an_arn_of_the_wrong_partition_for_its_region_is_refused(partition, region, right):
    for key, ours in (("kmsKeyArn", KEY), ("webAclArn", WEB_ACL)):
        arn = ours.replace("arn:aws", f"arn:{partition}").replace("us-east-1", region)
        problem = f"{arn!r} is of the partition {partition}, and its region {region} of {right}"
        with pytest.raises(SettingsError, match=f"setting {key}: {problem}; allowed: "):
            Settings.from_context({key: arn})


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1"])
def test_resources_of_another_region_are_refused(region):
    settings = Settings.from_context({"kmsKeyArn": KEY, "webAclArn": WEB_ACL})
    assert list(arn_problems(settings, region)) == [
        f"setting {key}: {arn!r} is of the region us-east-1; allowed: one of {region}, "
        "the region of the deployment (AWS_REGION or the profile sets it)"
        for key, arn in (("kmsKeyArn", KEY), ("webAclArn", WEB_ACL))
    ]
    assert [*arn_problems(settings, "us-east-1")] == []


@pytest.mark.parametrize(
    "region, own_source, problem",
    [
        ("us-east-1", "true", None),
        (None, "true", None),
        ("us-east-1", "false", f"setting ownSource: it is false, and {ONE} of sources is the own"),
        ("us-gov-west-1", "true", "setting sources: the regions are not of the AWS partition of"),
    ],
)
def test_sources_must_fit_the_account_and_region_of_the_deployment(region, own_source, problem):
    given = Settings.from_context({"sources": ONE, "ownSource": own_source})
    settings = Settings(**{**vars(given), "deployed_to": ONE if region == "us-east-1" else ""})
    found = list(source_problems(settings, region))
    assert [each[: len(problem or "")] for each in found] == ([problem] if problem else [])


def test_all_bad_keys_and_values_are_reported_together():
    bad = {
        "retainLedgr": "true",
        "families": "PHI,SNOMED,rxnorm",
        "alertOn": ["DONE", "FAILED"],
        "digestEmails": "a@example.org,nobody,b@",
        "alertEmails": "a@example.org,,a@example.org,b",
        "bundleFor": "x86",
    }
    with pytest.raises(SettingsError) as refused:
        Settings.from_context(bad)
    lines = str(refused.value).splitlines()
    # In the order of the settings, a line for each bad entry of a list.
    assert [line.split(": ")[0].removeprefix("setting ") for line in lines] == [
        *("retainLedgr", "families", "families", "digestEmails", "digestEmails", "alertOn"),
        *("alertEmails", "alertEmails", "alertEmails", "bundleFor"),
    ]
    assert all("; allowed: " in line for line in lines)


def test_context_keys_of_cdk_and_other_apps_are_ignored():
    of_others = {"@aws-cdk/core:x": 1, "aws:cdk:bundling-stacks": [], "cli-telemetry": False}
    context = of_others | {"vpc": 1}
    assert Settings() == Settings.from_context(context)
    assert unknown_keys(context) == ["vpc"]


def test_a_member_ignores_the_settings_of_its_hub_and_says_so():
    context = {"hub": "111122223333", "families": "PHI", "digestBy": "source", "sources": ""}
    assert Settings.from_context(context).hub == "111122223333"
    assert notes(context) == [
        "with hub, the settings are hub, name, families, externalId; these are ignored: sources, digestBy"
    ]
    assert notes({"sources": ONE}) == []


def names(settings):
    return settings.name, settings.service_name, settings.event_source, settings.token_parameter


def test_the_first_deployment_keeps_its_names_and_no_other_shares_one_with_it():
    first = ("JobLedger", "job-ledger", "jobledger", "/job-ledger/lookup-service-token")
    assert names(Settings()) == first
    for name in ("Ward7", "job-ledger", "jobledger", "lookup-service-token"):
        assert all(a != b for a, b in zip(first, names(Settings(name=name)), strict=True))
