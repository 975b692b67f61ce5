"""Settings are read from context, checked, and refused in words that help."""

import re

import pytest

from stacks.setting_readers import FAMILIES
from stacks.settings import Settings, SettingsError, unknown_keys

UUID = "1a2b3c4d-0000-4000-8000-000000000000"
WEB_ACL = f"arn:aws:wafv2:us-east-1:111122223333:regional/webacl/a/{UUID}"
KEY = f"arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/{UUID}"
MULTI_REGION_KEY = f"arn:aws:kms:us-east-1:111122223333:key/mrk-{'0' * 32}"
SCHEDULES = (
    *("rate(1 minute)", "rate(12 hours)", "cron(15 10 ? * 6L 2026-2030)", "cron(*/15 * ? * 3#2 *)"),
    *("cron(0/5 8-17 ? * mon-FRI *)", "cron(0 8 LW JAN,6 ? *)", "cron(05 08 15W * ? *)"),
)


def test_without_context_everything_has_its_default():
    assert Settings.from_context({}) == Settings()


@pytest.mark.parametrize(
    "key, value, expected",
    [
        ("families", "PHI", ("PHI",)),
        ("families", "PHI, RXNORM", ("PHI", "RXNORM")),
        ("families", list(FAMILIES), FAMILIES),
        ("syncMinutes", "1", 1),
        ("syncMinutes", 60, 60),
        ("name", "Ward-7", "Ward-7"),
        ("allowedAccounts", "011122223333, 444455556666", ("011122223333", "444455556666")),
        ("vpcEndpointIds", "vpce-0a1b2c3d", ("vpce-0a1b2c3d",)),
        ("webAclArn", WEB_ACL, WEB_ACL),
        ("kmsKeyArn", KEY, KEY),
        ("kmsKeyArn", MULTI_REGION_KEY, MULTI_REGION_KEY),
        ("logRetentionDays", "3653", 3653),
        ("backupDays", 1, 1),
        ("digestWhen", "attention", "attention"),
        *(("digestSchedule", schedule, schedule) for schedule in SCHEDULES),
        ("digestTimezone", "America/Argentina/Ushuaia", "America/Argentina/Ushuaia"),
        ("digestEmails", "", ()),
        ("digestEmails", "a+b@x.example.org, c@b.org", ("a+b@x.example.org", "c@b.org")),
        ("digestEmails", ["a@example.org"], ("a@example.org",)),
        ("includeJobDetails", "true", True),
        ("includeJobDetails", False, False),
        ("bundleFor", "host", "host"),
    ],
)
def test_a_good_value_is_taken(key, value, expected):
    field = re.sub(r"(?=[A-Z])", "_", key).lower()
    assert expected == getattr(Settings.from_context({key: value}), field)


@pytest.mark.parametrize(
    "key, value, problem",
    [
        ("families", "SNOMED", "'SNOMED' is not a family, did you mean SNOMEDCT?"),
        ("families", "phi", "'phi' is not a family, did you mean PHI?"),
        ("families", "", "it is empty"),
        ("families", "PHI,PHI", "'PHI' is listed twice"),
        ("families", "PHI,,RXNORM", "an entry of the list is empty"),
        ("families", 5, "5 is not a list"),
        ("syncMinutes", "0", "'0' is not valid"),
        ("syncMinutes", "1.5", "'1.5' is not valid"),
        ("syncMinutes", True, "True is not valid"),
        ("syncMinutes", "²", "'²' is not valid"),
        ("digestSchedule", "0 8 * * ? *", "'0 8 * * ? *' is neither cron(…) nor rate(…)"),
        ("digestSchedule", "at(2026-01-01T00:00:00)", "is neither cron(…) nor rate(…)"),
        ("digestSchedule", "cron(0 8 * * *)", "has 5 fields; cron needs six"),
        ("digestSchedule", "cron(0 8 * * * *)", "needs ? for either the day of the month or"),
        ("digestSchedule", "cron(60 8 * * ? *)", "has '60' for the minutes, which ranges from 0"),
        ("digestSchedule", "cron(0 24 * * ? *)", "has '24' for the hours, which ranges from 0"),
        ("digestSchedule", "cron(0 8 ? * MONDAY *)", "has 'MONDAY' for the day of the week"),
        ("digestSchedule", "cron(0 8 ? * 3#6 *)", "has '3#6' for the day of the week"),
        ("digestSchedule", "cron(0 8 * * ? 1969)", "has '1969' for the year"),
        ("digestSchedule", "cron(0/0 8 * * ? *)", "has '0/0' for the minutes"),
        ("digestSchedule", "rate(0 minutes)", "is not a valid rate"),
        ("digestSchedule", 5, "5 is not text"),
        ("digestTimezone", "europe/zurich", "is not a time zone, did you mean Europe/Zurich?"),
        ("digestTimezone", "Mars/Olympus_Mons", "'Mars/Olympus_Mons' is not a time zone"),
        ("digestEmails", "a@localhost", "'a@localhost' is not an e-mail address"),
        ("digestEmails", "a@b@example.org", "'a@b@example.org' is not an e-mail address"),
        ("digestEmails", "a@example..org", "'a@example..org' is not an e-mail address"),
        ("digestEmails", "a@example.org;b@example.org", "is not an e-mail address"),
        ("digestEmails", "a@example.org,a@example.org", "'a@example.org' is listed twice"),
        ("includeJobDetails", "yes", "'yes' is neither"),
        ("name", "7Ward", "'7Ward' is not valid"),
        ("name", "W" * 65, "is not valid"),
        ("allowedAccounts", "11112222333", "'11112222333' is not an account id"),
        ("allowedAccounts", [111122223333], "[111122223333] is not a list"),
        ("vpcEndpointIds", "vpc-0a1b2c3d", "'vpc-0a1b2c3d' is not the id of a VPC endpoint"),
        ("webAclArn", "hospital", "'hospital' is not valid"),
        ("webAclArn", WEB_ACL.replace("regional", "global"), "is not valid"),
        ("kmsKeyArn", "arn:aws:kms:us-east-1:111122223333:alias/hospital", "is not valid"),
        ("logRetentionDays", "100", "'100' is not valid"),
        ("logRetentionDays", True, "True is not valid"),
        ("backupDays", "0", "'0' is not valid"),
        ("retainLedger", "False", "'False' is neither"),
        ("digestWhen", "never", "'never' is not"),
        ("chatDigests", "yes", "'yes' is neither"),
        ("bundleFor", "arm64", "'arm64' is neither"),
        ("digestEmail", "a@example.org", "this key does not exist; did you mean digestEmails?"),
        ("retain-ledger", "true", "this key does not exist; did you mean retainLedger?"),
    ],
)
def test_a_bad_value_is_refused_with_the_key_the_problem_and_what_is_allowed(key, value, problem):
    with pytest.raises(SettingsError) as refused:
        Settings.from_context({key: value})
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
    for key, resource in (("kmsKeyArn", "kms"), ("webAclArn", "wafv2")):
        kind = "key" if resource == "kms" else "regional/webacl/a"
        arn = f"arn:{partition}:{resource}:{region}:111122223333:{kind}/{UUID}"
        problem = f"{arn!r} is of the partition {partition}, and its region {region} of {right}"
        with pytest.raises(SettingsError, match=f"setting {key}: {problem}; allowed: "):
            Settings.from_context({key: arn})


def test_all_bad_keys_and_values_are_reported_together():
    bad = {
        "retainLedgr": "true",
        "families": "PHI,SNOMED,rxnorm",
        "syncMinutes": "0",
        "digestSchedule": "rate(1 hour)",
        "alertOn": ["DONE", "FAILED"],
        "digestEmails": "a@example.org,nobody,b@",
        "alertEmails": "a@example.org,,a@example.org,b",
        "digestTimezone": "UCT+1",
        "chatDigests": 1,
        "digestWhen": "never",
        "bundleFor": "x86",
    }
    with pytest.raises(SettingsError) as refused:
        Settings.from_context(bad)
    lines = str(refused.value).splitlines()
    # In the order of the settings, a line for each bad entry of a list.
    assert [line.split(": ")[0].removeprefix("setting ") for line in lines] == [
        *("retainLedgr", "families", "families", "syncMinutes", "digestTimezone"),
        *("digestEmails", "digestEmails", "digestWhen", "chatDigests", "alertOn"),
        *("alertEmails", "alertEmails", "alertEmails", "bundleFor"),
    ]
    assert all("; allowed: " in line for line in lines)


def test_context_keys_of_cdk_and_other_apps_are_ignored():
    of_others = {"@aws-cdk/core:x": 1, "aws:cdk:bundling-stacks": [], "cli-telemetry": False}
    context = of_others | {"vpc": 1}
    assert Settings() == Settings.from_context(context)
    assert unknown_keys(context) == ["vpc"]


def names(settings):
    return settings.name, settings.service_name, settings.event_source, settings.token_parameter


def test_the_first_deployment_keeps_the_names_that_it_always_had():
    expected = ("JobLedger", "job-ledger", "jobledger", "/job-ledger/lookup-service-token")
    assert names(Settings()) == expected


@pytest.mark.parametrize("name", ["Ward7", "job-ledger", "jobledger", "lookup-service-token"])
def test_another_deployment_shares_no_name_with_it(name):
    assert all(a != b for a, b in zip(names(Settings()), names(Settings(name=name)), strict=True))
