"""Settings are read from context, checked, and refused in words that help."""

import re
from typing import Any

import pytest

from stacks.regions import arn_problems, source_problems
from stacks.setting_readers import FAMILIES
from stacks.settings import Settings, SettingsError, notes, unknown_keys
from tests.infrastructure.chosen import OUTPUTS

UUID = "1a2b3c4d-0000-4000-8000-000000000000"
WEB_ACL = f"arn:aws:wafv2:us-east-1:111122223333:regional/webacl/a/{UUID}"
KEY = f"arn:aws:kms:us-east-1:111122223333:key/{UUID}"
KEY_OF_GOV = KEY.replace("aws", "aws-us-gov").replace("us-east-1", "us-gov-west-1")
MULTI_REGION_KEY = f"arn:aws:kms:us-east-1:111122223333:key/mrk-{'0' * 32}"
SCHEDULES = (
    *("rate(1 minute)", "rate(12 hours)", "cron(15 10 ? * 6L 2026-2030)", "cron(*/15 * ? * 3#2 *)"),
    *("cron(0/5 8-17 ? * mon-FRI *)", "cron(0 8 LW JAN,6 ? *)", "cron(05 08 15W * ? *)"),
)
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

# Each value of a key, and what it is read as.
GOOD: dict[str, list[tuple[object, object]]] = {
    "families": [("PHI", ("PHI",)), ("PHI, RXNORM", ("PHI", "RXNORM")), ([*FAMILIES], FAMILIES)],
    "syncMinutes": [("1", 1), (60, 60)],
    "name": [("Ward-7", "Ward-7")],
    "allowedAccounts": [("011122223333, 444455556666", ("011122223333", "444455556666"))],
    "vpcEndpointIds": [("vpce-0a1b2c3d", ("vpce-0a1b2c3d",))],
    "webAclArn": [(WEB_ACL, WEB_ACL)],
    "kmsKeyArn": [(KEY_OF_GOV, KEY_OF_GOV), (MULTI_REGION_KEY, MULTI_REGION_KEY)],
    "logRetentionDays": [("3653", 3653)],
    "backupDays": [(1, 1)],
    "digestWhen": [("attention", "attention")],
    "digestSchedule": [(schedule, schedule) for schedule in SCHEDULES],
    "digestTimezone": [("America/Argentina/Ushuaia", "America/Argentina/Ushuaia")],
    "digestEmails": [
        *(("", ()), (["a@example.org"], ("a@example.org",))),
        ("a+b@x.example.org, c@b.org", ("a+b@x.example.org", "c@b.org")),
    ],
    "includeJobDetails": [("true", True), (False, False)],
    "bundleFor": [("host", "host")],
    "outputBuckets": [
        *(("codes", ("codes",)), (["codes/a b"], ("codes/a b",)), ("", ())),
        (f"a.b-3, {'c' * 63}/out/2026/", ("a.b-3", f"{'c' * 63}/out/2026/")),
        (LONG["outputBuckets"], tuple(LONG["outputBuckets"].split(","))),
    ],
    "outputKeyArns": [(LONG["outputKeyArns"], tuple(LONG["outputKeyArns"].split(",")))],
    "characterPrices": [("SNOMEDCT=0.0005, PHI=1", ("SNOMEDCT=0.0005", "PHI=1"))],
    "sources": [
        *((ONE, (ONE,)), ("", ()), (MANY[:200], tuple(MANY[:200]))),
        (f" {ONE}, 011122223333/eu-west-1", (ONE, "011122223333/eu-west-1")),
        (["222233334444/us-gov-west-1"], ("222233334444/us-gov-west-1",)),
    ],
    "ownSource": [("false", False), ("true", True)],
    "externalId": [("a_b+c=d,e.f@g:h/i-j", "a_b+c=d,e.f@g:h/i-j"), ("x" * 1224, "x" * 1224)],
    "digestBy": [("source", "source")],
    "lookupAccounts": [("222233334444", ("222233334444",))],
    "hub": [("011122223333", "011122223333")],
}


@pytest.mark.parametrize("key", GOOD)
def test_a_good_value_is_taken(key):
    field = re.sub(r"(?=[A-Z])", "_", key).lower()
    for value, expected in GOOD[key]:
        settings = Settings.from_context({**WITH.get(key, {}), key: value})
        assert getattr(settings, field) == expected


# Each key, what is said of values, and these.
BAD: dict[str, dict[str, list[object]]] = {
    "families": {
        "'SNOMED' is not a family, did you mean SNOMEDCT?": ["SNOMED"],
        "'phi' is not a family, did you mean PHI?": ["phi"],
        "it is empty": [""],
        "'PHI' is listed twice": ["PHI,PHI"],
        "an entry of the list is empty": ["PHI,,RXNORM"],
        "5 is not a list": [5],
    },
    "syncMinutes": {"is not valid": ["0", "1.5", True, "²"]},
    "digestSchedule": {
        "is neither cron(…) nor rate(…)": ["0 8 * * ? *", "at(2026-01-01T00:00:00)"],
        "has 5 fields; cron needs six": ["cron(0 8 * * *)"],
        "needs ? for either the day of the month or": ["cron(0 8 * * * *)"],
        "has '60' for the minutes, which ranges from 0": ["cron(60 8 * * ? *)"],
        "has '24' for the hours, which ranges from 0": ["cron(0 24 * * ? *)"],
        "has 'MONDAY' for the day of the week": ["cron(0 8 ? * MONDAY *)"],
        "has '3#6' for the day of the week": ["cron(0 8 ? * 3#6 *)"],
        "has '1969' for the year": ["cron(0 8 * * ? 1969)"],
        "has '0/0' for the minutes": ["cron(0/0 8 * * ? *)"],
        "is not a valid rate": ["rate(0 minutes)"],
        "5 is not text": [5],
    },
    "digestTimezone": {
        "is not a time zone, did you mean Europe/Zurich?": ["europe/zurich"],
        "'Mars/Olympus_Mons' is not a time zone": ["Mars/Olympus_Mons"],
    },
    "digestEmails": {
        "is not an e-mail address": [
            *("a@localhost", "a@b@example.org", "a@example..org", "a@example.org;b@example.org"),
        ],
        "'a@example.org' is listed twice": ["a@example.org,a@example.org"],
    },
    "includeJobDetails": {"'yes' is neither": ["yes"]},
    "name": {"is not valid": ["7Ward", "W" * 65]},
    "allowedAccounts": {
        "'11112222333' is not an account id": ["11112222333"],
        "[111122223333] is not a list": [[111122223333]],
    },
    "vpcEndpointIds": {"'vpc-0a1b2c3d' is not the id of a VPC endpoint": ["vpc-0a1b2c3d"]},
    "webAclArn": {"is not valid": ["hospital", WEB_ACL.replace("regional", "global")]},
    "kmsKeyArn": {"is not valid": ["arn:aws:kms:us-east-1:111122223333:alias/hospital"]},
    "logRetentionDays": {"is not valid": ["100", True]},
    "backupDays": {"'0' is not valid": ["0"]},
    "retainLedger": {"'False' is neither": ["False"]},
    "digestWhen": {"'never' is not": ["never"]},
    "chatDigests": {"'yes' is neither": ["yes"]},
    "bundleFor": {"'arm64' is neither": ["arm64"]},
    "digestEmail": {"this key does not exist; did you mean digestEmails?": ["a@example.org"]},
    "retain-ledger": {"this key does not exist; did you mean retainLedger?": ["true"]},
    "outputBuckets": {
        "does not begin with the name of a bucket": [
            *("s3://codes/out", "Codes", "co", "c" * 64, "codes-", "co..des", "192.168.5.4"),
            *("codes_out", "xn--codes", "codes--x-s3", "/out", "*"),
        ],
        "has no prefix after the slash": ["codes/", "codes//out"],
        "has a character that a prefix cannot have here": [
            *("codes/*", "codes/${aws:username}", "codes/o?t", "codes/ä", ["codes/a,b"]),
        ],
        "'codes' is listed twice": ["codes,codes"],
        "is not a list": [{"codes": "out"}],
        "the list is too long: 1 entries": [f"codes/{'p' * 2_000}"],
        "too long: 21 entries": [LONG["outputBuckets"] + ",codes"],
    },
    "outputKeyArns": {
        "is not valid": ["arn:aws:kms:us-east-1:111122223333:alias/a"],
        "is of the partition aws-cn": [KEY.replace("aws", "aws-cn")],
        "too long: 21 entries": [f"{LONG['outputKeyArns']},{KEY[:-2]}99"],
    },
    "characterPrices": {
        "'SNOMED' is not a family, did you mean SNOMEDCT?": ["SNOMED=1"],
        "is not a family": ["0.0005", "PHI=0,0005"],
        "is not a price of PHI": ["PHI", "PHI=-1", "PHI=1e3"],
        "'PHI' has two prices": ["PHI=1,PHI=2"],
        "is not a list": [{"PHI": 1}],
    },
    "sources": {
        "does not begin with an account id of 12": ["22223333444/us-east-1", "us-east-1/222"],
        "has no region after the account": ["222233334444", "222233334444/"],
        "is not a region": ["222233334444/us-east-1/PHI", "222233334444/US-EAST-1"],
        "has no Amazon Comprehend Medical": ["222233334444/eu-central-1"],
        "did you mean us-east-": ["222233334444/us-east-9"],
        f"'{ONE}' is listed twice": [f"{ONE},{ONE}"],
        "an entry of the list is empty": [f"{ONE},,"],
        "is not a list": [{"a": 1}, [222233334444]],
        "the list is too long: 201 entries": [MANY],
        "aws and aws-us-gov": [f"{ONE},222233334444/us-gov-west-1"],
    },
    "digestBy": {"'account' is neither": ["account"]},
    "ownSource": {"'no' is neither": ["no"]},
    "externalId": {"it is not valid": ["x", "a b", "ä" * 9, 1234, "x" * 1225]},
    "lookupAccounts": {
        "'2222' is not an account id": ["2222"],
        "too long: 51 entries": [[one[:12] for one in MANY[:51]]],
    },
    "hub": {
        "'1111' is not an account id": ["1111"],
        "111122223333 is not an account id": [111122223333],
    },
}
# Settings that are good alone: together with others they are not.
TOGETHER: list[tuple[dict[str, Any], str, str]] = [
    ({"ownSource": "false"}, "ownSource", "it needs the setting sources"),
    ({"ownSource": "false", "sources": ""}, "ownSource", "it needs the setting sources"),
    ({"digestBy": "source"}, "digestBy", "it needs the setting sources"),
    ({"externalId": "ward-7"}, "externalId", "it needs the setting sources or hub"),
    ({"sources": MANY[:200], "externalId": "x" * 301}, "externalId", "it has 301 characters"),
    ({"sources": MANY[:200], "outputBuckets": f"codes/{'p' * 295}"}, "outputBuckets", "has 301"),
    ({"sources": ONE, "name": "W" * 59}, "name", "too long for the names of the roles"),
    ({"hub": "111122223333", "name": "W" * 59}, "name", "too long for the names of the roles"),
    *(
        ({**buckets, key: OUTPUTS[key]}, key, "it needs the setting outputBuckets")
        for buckets in ({}, {"outputBuckets": ""})
        for key in ("outputKeyArns", "characterPrices")
    ),
]


@pytest.mark.parametrize(
    "context, key, problem",
    [
        *TOGETHER,
        *(
            ({**WITH.get(key, {}), key: value}, key, problem)
            for key, problems in BAD.items()
            for problem, values in problems.items()
            for value in values
        ),
    ],
)
def test_a_bad_value_is_refused_in_one_line_with_what_is_allowed(context, key, problem):
    with pytest.raises(SettingsError) as refused:
        Settings.from_context(context)
    text = str(refused.value)
    assert text.startswith(f"setting {key}: ")
    assert problem in text
    assert "; allowed: " in text
    assert "\n" not in text


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
