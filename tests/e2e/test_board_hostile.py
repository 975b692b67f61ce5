"""Hostile names and messages in a real browser: nothing runs, and nothing breaks the layout."""

from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from jobledger.service import Family
from testing.boards import hostile_texts
from testing.builders import NOW, full_job
from testing.served_api import served_api
from tests.e2e.browsers import asked_elsewhere, chromium, errors_of, needs_chromium, resize, wait

pytestmark = [needs_chromium, pytest.mark.xdist_group("board-hostile")]
HOSTILE = hostile_texts()


@pytest.fixture(scope="module")
def home() -> Iterator[str]:
    """The API's handler behind a real server, with 1,000 hostile jobs."""
    with served_api() as served:
        jobs = [
            full_job(number, JobName=text, Message=text, SubmitTime=NOW.timestamp() - 60 - number,
                  JobStatus="IN_PROGRESS" if number % 25 == 0 else "FAILED",
                  OutputDataConfig={"S3Bucket": text, "S3Key": text * 10})
            for number, text in enumerate(HOSTILE)
        ]  # fmt: skip
        served.api.fill(*jobs, family=Family.SNOMEDCT)
        served.api.mark_synced()
        yield served.url


@pytest.fixture(scope="module")
def browser(home, tmp_path_factory) -> Iterator[webdriver.Chrome]:
    """It ends before the server: one of its idle connections would hold the server up for a minute."""
    assert home
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


def test_nothing_runs_and_nothing_breaks_the_layout(browser, home):
    lists = ("", "?MaxResults=500")
    for page in (*lists, *(f"/jobs/{number:032x}" for number in range(0, 40, 5))):
        url = f"{home}/board{page}"
        browser.get(url)
        wait(browser, "main")
        for width in (360, 1280):
            resize(browser, width)
            found = browser.execute_script("return document.documentElement.scrollWidth")
            assert found <= width, url
        assert browser.execute_script("return window.ran") is None
        assert errors_of(browser) == []
        assert asked_elsewhere(browser, home) == []
        tags = ("script:not([src])", "img", "iframe", "base", "cwdb-action", "main style")
        assert browser.find_elements(By.CSS_SELECTOR, ",".join(tags)) == []
        # A right-to-left override in a name turns nothing beyond the name.
        script = "return [...document.querySelectorAll('main td, main dd')].every(e => getComputedStyle(e).direction === 'ltr')"
        assert browser.execute_script(script)
    rows = "[...document.querySelectorAll('.jobs tbody tr')]"
    browser.get(f"{home}/board?MaxResults=500")
    assert browser.execute_script(f"return {rows}.map(r => r.cells.length)") == [6] * 500
    for width in (360, 1280):
        resize(browser, width)
        heights = f"return Math.max(...{rows}.map(r => r.offsetHeight))"
        assert browser.execute_script(heights) < 500
