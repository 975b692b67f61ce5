"""1,000 names and messages that attack the page: nothing of them becomes markup, and pages stay small."""

import itertools
import re

import pytest

from jobledger.board.markup import escaped, shortened
from jobledger.service import Family
from testing.api import running_api
from testing.boards import hostile_texts, parsed, shape
from testing.builders import NOW, full_job

HOSTILE = hostile_texts()
PAGE = 500
ALLOWED_BYTES = 400_000


def jobs_with(texts):
    for number, text in enumerate(texts):
        place = {"S3Bucket": text, "S3Key": text * 10}
        more = {"InputDataConfig": place, "OutputDataConfig": place, "DataAccessRoleArn": text}
        more |= {"SubmitTime": NOW.timestamp() - 60 - number, "JobStatus": "FAILED"}
        yield full_job(number, JobName=text, Message=text, **more)


def board_of(texts, **query):
    with running_api() as api:
        api.fill(*jobs_with(texts))
        api.mark_synced()
        return api.get("/board", MaxResults=PAGE, **query)


def as_shown(text):
    """What a reader sees: U+FFFD replaces controls and surrogates, which HTML does not allow."""
    return re.sub("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", text)


@pytest.mark.parametrize("start", range(0, len(HOSTILE), PAGE))
def test_the_page_has_the_same_elements_whatever_the_jobs_are_called(start):
    texts = HOSTILE[start : start + PAGE]
    hostile, harmless = board_of(texts), board_of(["x"] * len(texts))
    assert shape(parsed(hostile.body)) == shape(parsed(harmless.body))
    assert len(hostile.content) < ALLOWED_BYTES
    (table,) = parsed(hostile.body).all("table", "jobs")
    for row, text in zip(table.all("tr")[1:], texts, strict=True):
        for cell in (row.all("td")[0], row.all("td")[-1]):
            shown = cell.all("bdi")[0].text
            start_of_text = shown.removesuffix("…")
            assert as_shown(text).startswith(start_of_text)
            assert shown == as_shown(text) or shown.endswith("…")


def test_the_page_of_a_job_and_the_overview_show_hostile_text_as_text():
    texts = HOSTILE[:40]  # one of each kind
    with running_api() as api:
        api.fill(*jobs_with(texts))
        active = {"JobStatus": "IN_PROGRESS", "EndTime": None}
        for number, text in enumerate(texts):
            api.fill(full_job(100 + number, JobName=text, **active), family=Family.PHI)
        bodies = [api.get(f"/board/jobs/{number:032x}").body for number in range(len(texts))]
        overview = api.get("/board").body
    for body, text in zip(bodies, texts, strict=True):
        assert parsed(body).one("h1").text == as_shown(text)
        assert "\0" not in body
    for body in (*bodies, overview):
        tree = parsed(body)
        assert not tree.all("img") + tree.all("iframe")
        assert len(tree.all("script")) == 1


@pytest.mark.parametrize("letter", ["n", '"', "漢", "\U0001f469", "\x1b"])
def test_500_jobs_stay_below_400_kilobytes_whatever_they_hold(letter):
    more = {"JobName": letter * 256, "Message": letter * 9_000, "JobStatus": "PARTIAL_SUCCESS"}
    jobs = (full_job(number, JobId=f"{number:04}" + "漢" * 28, **more) for number in range(PAGE))
    with running_api() as api:
        api.fill(*jobs)
        api.mark_synced()
        for query in ({"MaxResults": PAGE}, {}):
            assert len(api.get("/board", **query).content) < ALLOWED_BYTES


def test_a_shortened_text_is_the_start_of_the_text_with_whole_characters_and_references():
    for most, text in itertools.product((12, 13, 14, 15, 16, 17, 18, 30, 60), HOSTILE):
        short = shortened(text, most)
        assert len(short.encode()) <= most
        if short != escaped(text):
            assert short.endswith("…")
            assert escaped(text).startswith(short[:-1])
            assert not re.search("&[^;]*$", short)
