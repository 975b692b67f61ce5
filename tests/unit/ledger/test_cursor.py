"""NextToken: nothing but the token that was issued, for the query that it was issued for."""

import base64
import random
import re

import pytest
from msgspec.structs import replace

from jobledger.errors import InvalidToken
from jobledger.ledger.cursor import Position, _seal_of, seal, unseal
from jobledger.ledger.job_query import JobQuery
from jobledger.service import Family, JobStatus
from testing.full import in_full

TOKENS = in_full(10, 100)
KEY = "JobLedger-Ledger-1"
TIME = "2026-11-23T08:00:00.000Z"
POSITION = Position(f"{TIME}#7c9d2cd0a1f54c0f9d3b7f6a1e2d3c4b", Family.SNOMEDCT, TIME)
QUERY = JobQuery(families=(Family.SNOMEDCT,), statuses=("FAILED",), name="nightly")
OTHER_QUERIES = [
    replace(QUERY, **changed)
    for changed in (
        *({"families": (Family.PHI,)}, {"families": (Family.SNOMEDCT, Family.PHI)}),
        *({"name": "nightly-"}, {"name": None}, {"name": None, "name_prefix": "nightly"}),
        *({"name_prefix": "nightly"}, {"statuses": ()}, {"statuses": ("FAILED", "STOPPED")}),
        *({"after": "2026-11-01T00:00:00.000Z"}, {"before": "2026-11-01T00:00:00.000Z"}),
        *({"order": "ascending"}, {"accounts": ("222233334444",)}),
        *({"regions": ("us-east-1",)}, {"active": True}),
    )
]


def as_text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def some_tokens() -> list[tuple[str, JobQuery]]:
    source, made = random.Random(15), []
    for number in range(TOKENS):
        query = JobQuery(
            families=tuple(source.sample(list(Family), source.randint(1, 5))),
            name=source.choice([None, "nightly-notes", "診療記録"]),
            statuses=tuple(source.sample([*JobStatus], source.randint(0, 3))),
        )
        day = f"2026-{source.randint(1, 12):02}-{source.randint(1, 28):02}"
        sort_key = f"{day}T00:00:00.{number:03}Z#{number:032x}"
        made.append((seal(Position(sort_key, query.families[0], TIME), query, KEY), query))
    return made


@pytest.mark.full
@pytest.mark.parametrize("token, query", some_tokens())
def test_every_change_of_a_single_byte_is_refused(token, query):
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert unseal(token, query, KEY)
    assert not [
        (place, other)
        for place, byte in enumerate(raw)
        for other in range(256)
        if other != byte and is_taken(raw[:place] + bytes([other]) + raw[place + 1 :], query)
    ]


def is_taken(raw: bytes, query: JobQuery) -> bool:
    try:
        unseal(as_text(raw), query, KEY)
    except InvalidToken:
        return False
    return True


@pytest.mark.parametrize("token, query", some_tokens()[:: TOKENS // 10])
def test_every_change_of_a_single_character_is_refused(token, query):
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ %é"
    for place, character in enumerate(token):
        for other in alphabet.replace(character, ""):
            with pytest.raises(InvalidToken):
                unseal(token[:place] + other + token[place + 1 :], query, KEY)
    for text in (token[:-1], token + "A", token + "=", token[1:], token * 2, "A", "AA", "AAAA"):
        with pytest.raises(InvalidToken):
            unseal(text, query, KEY)


@pytest.mark.parametrize("other", OTHER_QUERIES, ids=str)
def test_a_token_is_good_for_its_own_query_only(other):
    token = seal(POSITION, QUERY, KEY)
    assert unseal(token, QUERY, KEY) == POSITION
    with pytest.raises(InvalidToken):
        unseal(token, other, KEY)


def test_a_token_of_another_deployment_is_refused():
    with pytest.raises(InvalidToken):
        unseal(seal(POSITION, QUERY, "JobLedger-Ledger-2"), QUERY, KEY)


@pytest.mark.parametrize("version", [0, 2, 3, 255])
def test_a_token_of_another_version_is_refused(version, monkeypatch):
    monkeypatch.setattr("jobledger.ledger.cursor._VERSION", bytes([version]))
    token = seal(POSITION, QUERY, KEY)
    monkeypatch.undo()
    with pytest.raises(InvalidToken):
        unseal(token, QUERY, KEY)


def test_the_longest_token_is_url_safe_and_under_512_characters():
    longest_id = "\U00020000" * 32
    tag, times = "~222233334444/us-isob-southeast-1", ",".join([TIME] * 5)
    query = replace(QUERY, families=tuple(Family))
    position = Position(f"{TIME}#{longest_id}{tag}", Family.ENTITIES_V2, times)
    token = seal(position, query, KEY)
    assert re.fullmatch("[A-Za-z0-9_-]{1,511}", token)
    assert unseal(token, query, KEY) == position


def test_a_token_that_was_issued_before_a_ledger_had_several_sources_stays_valid():
    issued = (
        "AcI3_5vhM3VUD5q0NcR7wdYyMDI2LTExLTIzVDA4OjAwOjAwLjAwMFo7U05PTUVEQ1Q7MjAy"
        "Ni0xMS0yM1QwODowMDowMC4wMDBaIzdjOWQyY2QwYTFmNTRjMGY5ZDNiN2Y2YTFlMmQzYzRi"
    )
    assert unseal(issued, QUERY, KEY) == POSITION


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_token_may_end_with_any_character_and_hold_what_separates_the_parts(length):
    ids = [*(character * length for character in map(chr, range(ord(" "), 127))), "a;b#c;PHI"]
    for job_id in ids:
        position = replace(POSITION, sort_key=f"{TIME}#{job_id}")
        assert unseal(seal(position, QUERY, KEY), QUERY, KEY) == position


MALFORMED = [
    *(b"", b";", b";;", b";;;", b"\xff", b"\xff;PHI;2", TIME.encode(), f"{TIME};SNOMEDCT".encode()),
    *(
        f"{as_of};{family};{sort_key}".encode()
        for as_of, family, sort_key in [
            *((as_of, "SNOMEDCT", f"{TIME}#job") for as_of in ("", "yesterday", f"{TIME},")),
            (",".join([TIME] * 3), "SNOMEDCT", f"{TIME}#job"),
            *((TIME, family, f"{TIME}#job") for family in ("NEW", "")),
            *((TIME, "SNOMEDCT", key) for key in ("", "~", f"{TIME}#{'j' * 1_024}")),
        ]
    ),
]


@pytest.mark.parametrize("body", MALFORMED)
def test_a_body_of_any_form_is_refused_whatever_its_seal(body):
    with pytest.raises(InvalidToken):
        unseal(as_text(b"\x01" + _seal_of(body, QUERY, KEY) + body), QUERY, KEY)


@pytest.mark.parametrize("bound", ["after", "before"])
def test_a_position_outside_the_time_range_of_the_query_is_refused(bound):
    query = replace(QUERY, **{bound: "2026-11-01T00:00:00.000Z"})
    outside = "2026-10-31T00:00:00.000Z" if bound == "after" else TIME
    position = Position(f"{outside}#job", Family.SNOMEDCT, TIME)
    with pytest.raises(InvalidToken):
        unseal(seal(position, query, KEY), query, KEY)
