"""The Swagger page in a real browser: it loads from the deployment alone, lists all routes, and works."""

import shutil
import threading
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions as expect
from selenium.webdriver.support.wait import WebDriverWait

from job_ledger import JobLedger

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMEDRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--no-proxy-server", "--window-size=1400,2000",
    # Whatever the page might ask of another host fails to resolve.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)  # fmt: skip
SECONDS = 30
ROUTES = [
    "GET /jobs",
    "GET /jobs/{JobId}",
    "GET /summary",
    "GET /digests",
    "POST /digests",
    "GET /health",
    "GET /openapi.json",
    "GET /docs",
    "GET /docs/{Asset}",
    "GET /board",
    "GET /board/{Asset}",
    "GET /board/jobs/{JobId}",
]

pytestmark = [
    pytest.mark.xdist_group("deployment"),
    pytest.mark.skipif(
        not (CHROMIUM and CHROMEDRIVER),
        reason="no Chromium here: apt-get install chromium chromium-driver, then this runs, too",
    ),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    service = webdriver.ChromeService(executable_path=CHROMEDRIVER)
    with webdriver.Chrome(options=options, service=service) as driver:
        yield driver


@pytest.fixture(scope="module", params=["the API's address", "jobledger open docs"])
def api(request, deployment) -> Iterator[str]:
    """Where the browser finds the API: in AWS only the proxy signs what it asks."""
    if request.param == "the API's address":
        yield deployment.ready["ApiUrl"]
        return
    with JobLedger(deployment.ready["ApiUrl"]) as ledger, ledger.proxy() as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy.address("docs").removesuffix("/docs")
        proxy.shutdown()


@pytest.fixture(scope="module")
def page(browser, api) -> webdriver.Chrome:
    browser.get(f"{api}/docs")
    wait(browser, ".opblock")
    return browser


def wait(browser, selector: str):
    found = expect.presence_of_element_located((By.CSS_SELECTOR, selector))
    return WebDriverWait(browser, SECONDS).until(found)


def click(browser, selector: str) -> None:
    element = wait(browser, selector)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    ready = expect.element_to_be_clickable((By.CSS_SELECTOR, selector))
    WebDriverWait(browser, SECONDS).until(ready).click()


def test_the_page_lists_every_route(page):
    summaries = page.find_elements(By.CSS_SELECTOR, ".opblock-summary")
    listed = [
        f"{summary.find_element(By.CSS_SELECTOR, '.opblock-summary-method').text} "
        f"{summary.find_element(By.CSS_SELECTOR, '.opblock-summary-path').get_attribute('data-path')}"
        for summary in summaries
    ]
    assert listed == ROUTES


def test_try_it_out_on_the_list_shows_jobs(page):
    block = "#operations-default-ListJobs"
    click(page, f"{block} .opblock-summary-control")
    click(page, f"{block} .execute")
    shown = wait(page, f"{block} .live-responses-table .response-col_description pre")
    WebDriverWait(page, SECONDS).until(lambda _: "JobId" in shown.text)
    assert "ComprehendMedicalAsyncJobPropertiesList" in shown.text
    status = wait(page, f"{block} .live-responses-table tbody .response-col_status").text
    assert status.split()[0] == "200"


def test_try_it_out_publishes_a_digest(page):
    block = "#operations-default-PublishDigest"
    click(page, f"{block} .opblock-summary-control")
    body = wait(page, f"{block} .body-param__text")
    body.send_keys(Keys.CONTROL, "a")
    body.send_keys("{}")
    click(page, f"{block} .execute")
    shown = wait(page, f"{block} .live-responses-table .response-col_description pre")
    WebDriverWait(page, SECONDS).until(lambda _: "DigestId" in shown.text)


def test_the_page_asks_nothing_of_any_other_host_and_logs_no_error(page, api):
    errors = [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []
    asked = page.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    elsewhere = [url for url in asked if not url.startswith((api, "data:", "blob:"))]
    assert elsewhere == []
    assert any(url.endswith("/docs/swagger-ui.js") for url in asked)
