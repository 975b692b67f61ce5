"""1,000 names and messages that attack the page: nothing of them becomes markup, and pages stay small."""

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
    return [
        full_job(
            number,
            JobName=text,
            Message=text,
            JobStatus="FAILED",
            SubmitTime=NOW.timestamp() - 60 - number,
            InputDataConfig={"S3Bucket": text, "S3Key": text * 10},
            OutputDataConfig={"S3Bucket": text, "S3Key": text * 10},
            DataAccessRoleArn=text,
        )
        for number, text in enumerate(texts)
    ]


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


@pytest.mark.parametrize("text", HOSTILE[:40])
def test_the_page_of_a_job_and_the_overview_show_hostile_text_as_text(text):
    with running_api() as api:
        api.fill(*jobs_with([text]))
        api.fill(
            full_job(7, JobName=text, JobStatus="IN_PROGRESS", EndTime=None), family=Family.PHI
        )
        page, overview = api.get(f"/board/jobs/{0:032x}"), api.get("/board")
    assert page.status == overview.status == 200
    tree = parsed(page.body)
    assert tree.one("h1").text == as_shown(text)
    for body in (page.body, overview.body):
        assert not parsed(body).all("img")
        assert not parsed(body).all("iframe")
        assert len(parsed(body).all("script")) == 1
    assert "\0" not in page.body


@pytest.mark.parametrize("letter", ["n", '"', "漢", "\U0001f469", "\x1b"])
def test_500_jobs_stay_below_400_kilobytes_whatever_they_hold(letter):
    with running_api() as api:
        api.fill(
            *(
                full_job(number, JobId=f"{number:04}" + "漢" * 28, JobName=letter * 256, JobStatus="PARTIAL_SUCCESS",
                      Message=letter * 9_000)
                for number in range(PAGE)
            )
        )  # fmt: skip
        api.mark_synced()
        list_page = api.get("/board", MaxResults=PAGE)
        overview = api.get("/board")
    assert len(list_page.content) < ALLOWED_BYTES
    assert len(overview.content) < ALLOWED_BYTES


@pytest.mark.parametrize("most", [12, 13, 14, 15, 16, 17, 18, 30, 60])
def test_a_shortened_text_is_the_start_of_the_text_with_whole_characters_and_references(most):
    for text in HOSTILE:
        short = shortened(text, most)
        assert len(short.encode()) <= most
        if short != escaped(text):
            assert short.endswith("…")
            assert escaped(text).startswith(short[:-1])
            assert not re.search("&[^;]*$", short)
