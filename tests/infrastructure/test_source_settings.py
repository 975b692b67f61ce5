"""The settings about many accounts and regions: what is taken, and what is refused in which words."""

import pytest

from stacks.regions import source_problems
from stacks.settings import Settings, SettingsError, notes

ONE = "222233334444/us-east-1"
MANY = [f"{100_000_000_000 + number}/eu-west-1" for number in range(201)]


@pytest.mark.parametrize(
    "context, field, expected",
    [
        ({"sources": ONE}, "sources", (ONE,)),
        ({"sources": f" {ONE}, 011122223333/eu-west-1"}, "sources", (ONE, "011122223333/eu-west-1")),
        ({"sources": MANY[:200]}, "sources", tuple(MANY[:200])),
        ({"sources": ""}, "sources", ()),
        ({"sources": ["222233334444/us-gov-west-1"]}, "sources", ("222233334444/us-gov-west-1",)),
        ({"sources": ONE, "ownSource": "false"}, "own_source", False),
        ({"ownSource": "true"}, "own_source", True),
        ({"sources": ONE, "externalId": "a_b+c=d,e.f@g:h/i-j"}, "external_id", "a_b+c=d,e.f@g:h/i-j"),
        ({"hub": "011122223333", "externalId": "x" * 1224}, "external_id", "x" * 1224),
        ({"sources": ONE, "digestBy": "source"}, "digest_by", "source"),
        ({"lookupAccounts": "222233334444"}, "lookup_accounts", ("222233334444",)),
        ({"hub": "011122223333"}, "hub", "011122223333"),
    ],
)  # fmt: skip
def test_a_good_value_is_taken(context, field, expected):
    assert getattr(Settings.from_context(context), field) == expected


@pytest.mark.parametrize(
    "context, key, problem",
    [
        ({"sources": "22223333444/us-east-1"}, "sources", "does not begin with an account id of 12"),
        ({"sources": "us-east-1/222233334444"}, "sources", "does not begin with an account id"),
        ({"sources": "222233334444"}, "sources", "has no region after the account"),
        ({"sources": "222233334444/"}, "sources", "has no region after the account"),
        ({"sources": "222233334444/us-east-1/PHI"}, "sources", "is not a region"),
        ({"sources": "222233334444/eu-central-1"}, "sources", "has no Amazon Comprehend Medical"),
        ({"sources": "222233334444/us-east-9"}, "sources", "did you mean us-east-"),
        ({"sources": "222233334444/US-EAST-1"}, "sources", "is not a region"),
        ({"sources": f"{ONE},{ONE}"}, "sources", f"'{ONE}' is listed twice"),
        ({"sources": f"{ONE},,"}, "sources", "an entry of the list is empty"),
        ({"sources": {"a": 1}}, "sources", "is not a list"),
        ({"sources": [222233334444]}, "sources", "is not a list"),
        ({"sources": MANY}, "sources", "the list is too long: 201 entries"),
        ({"sources": f"{ONE},222233334444/us-gov-west-1"}, "sources", "aws and aws-us-gov"),
        ({"ownSource": "false"}, "ownSource", "it needs the setting sources"),
        ({"ownSource": "false", "sources": ""}, "ownSource", "it needs the setting sources"),
        ({"digestBy": "source"}, "digestBy", "it needs the setting sources"),
        ({"externalId": "ward-7"}, "externalId", "it needs the setting sources or hub"),
        ({"sources": ONE, "digestBy": "account"}, "digestBy", "'account' is neither"),
        ({"sources": ONE, "ownSource": "no"}, "ownSource", "'no' is neither"),
        ({"sources": ONE, "externalId": "x"}, "externalId", "it is not valid"),
        ({"sources": ONE, "externalId": "a b"}, "externalId", "it is not valid"),
        ({"sources": ONE, "externalId": "ä" * 9}, "externalId", "it is not valid"),
        ({"sources": ONE, "externalId": 1234}, "externalId", "it is not valid"),
        ({"hub": "111122223333", "externalId": "x" * 1225}, "externalId", "it is not valid"),
        ({"sources": MANY[:200], "externalId": "x" * 301}, "externalId", "it has 301 characters"),
        ({"sources": MANY[:200], "outputBuckets": "c" * 60 + "/" + "p" * 240}, "outputBuckets", "it has 301"),
        ({"sources": ONE, "name": "W" * 59}, "name", "too long for the names of the roles"),
        ({"hub": "111122223333", "name": "W" * 59}, "name", "too long for the names of the roles"),
        ({"lookupAccounts": "2222"}, "lookupAccounts", "'2222' is not an account id"),
        ({"lookupAccounts": [one[:12] for one in MANY[:51]]}, "lookupAccounts", "too long: 51 entries"),
        ({"hub": "1111"}, "hub", "'1111' is not an account id"),
        ({"hub": 111122223333}, "hub", "111122223333 is not an account id"),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_in_one_line_with_what_is_allowed(context, key, problem):
    with pytest.raises(SettingsError) as refused:
        Settings.from_context(context)
    text = str(refused.value)
    assert text.startswith(f"setting {key}: ")
    assert problem in text
    assert "; allowed: " in text
    assert "\n" not in text


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


def test_a_member_does_not_ask_what_a_setting_of_its_hub_needs():
    context = {"hub": "111122223333", "digestBy": "source", "characterPrices": "PHI=0.001"}
    assert Settings.from_context(context).hub == "111122223333"


def test_a_member_ignores_the_settings_of_its_hub_and_says_so():
    context = {"hub": "111122223333", "families": "PHI", "digestEmails": "", "sources": ONE}
    assert notes(context) == [
        "with hub, the settings are hub, name, families, externalId; these are ignored: digestEmails, sources"
    ]
    assert notes({"sources": ONE}) == []
