"""The Swagger page in a real browser, through the proxy of `jobledger open docs`: in AWS only that signs what it asks.

The page loads from the deployment alone, lists all routes, and works.
"""

import threading
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from job_ledger import JobLedger
from tests.e2e.browsers import (
    SECONDS,
    asked_elsewhere,
    chromium,
    click,
    errors_of,
    needs_chromium,
    requested,
    wait,
)
from tests.e2e.stack import LIST
from tests.e2e.test_api_generated import OPERATIONS

pytestmark = [pytest.mark.xdist_group("deployment"), needs_chromium]


@pytest.fixture(scope="module")
def api(deployment) -> Iterator[str]:
    with JobLedger(deployment.api_url) as ledger, ledger.proxy() as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy.address("docs").removesuffix("/docs")
        proxy.shutdown()


@pytest.fixture(scope="module")
def page(tmp_path_factory, api) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        browser.get(f"{api}/docs")
        wait(browser, ".opblock")
        yield browser


def answered(page, block: str, expected: str) -> str:
    """Return the text of a route's answer, once it has what is expected."""
    shown = wait(page, f"{block} .live-responses-table .response-col_description pre")
    # `.text` asks about the visibility of each of the thousand elements that colour the JSON.
    WebDriverWait(page, SECONDS).until(lambda _: expected in shown.get_property("textContent"))
    return str(shown.get_property("textContent"))


def test_the_page_lists_every_route_asks_no_other_host_and_logs_no_error(page, api):
    methods = page.find_elements(By.CSS_SELECTOR, ".opblock-summary-method")
    paths = page.find_elements(By.CSS_SELECTOR, ".opblock-summary-path")
    listed = [(m.text, p.get_attribute("data-path")) for m, p in zip(methods, paths, strict=True)]
    assert listed == OPERATIONS
    assert errors_of(page) == []
    assert asked_elsewhere(page, api) == []
    assert any(url.endswith("/docs/swagger-ui.js") for url in requested(page))


def test_try_it_out_shows_jobs_and_publishes_a_digest(page):
    block = "#operations-Jobs-ListJobs"
    click(page, f"{block} .opblock-summary-control")
    click(page, f"{block} .execute")
    assert LIST in answered(page, block, "JobId")
    # With the example's key, every list would repeat the first, and another filter would be rejected.
    sent = wait(page, f"{block} .curl").get_property("textContent")
    assert ("/jobs?" in sent, "Idempotency-Key" in sent) == (True, False)

    block = "#operations-Digests-PublishDigest"
    click(page, f"{block} .opblock-summary-control")
    body = wait(page, f"{block} .body-param__text")
    body.send_keys(Keys.CONTROL, "a")
    body.send_keys("{}")
    click(page, f"{block} .execute")
    answered(page, block, "DigestId")
