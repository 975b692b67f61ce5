"""The board in a real browser, on the deployment: filters, pages, jobs, CSV, themes, sizes, accessibility."""

import csv
import itertools
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from local.options import ROOT
from tests.e2e.browsers import (
    SECONDS,
    asked_elsewhere,
    chromium,
    click,
    errors_of,
    follow,
    needs_chromium,
    resize,
    wait,
)
from tests.e2e.stack import wait_until

pytestmark = [pytest.mark.xdist_group("deployment"), needs_chromium]

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
THEMES = ("light", "dark")
WIDTHS = (360, 1280, 2560)
PIXEL = {"width": 1, "height": 1, "scale": 1}


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(tmp_path_factory, downloads) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        behaviour = {"behavior": "allow", "downloadPath": str(downloads)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
        driver.set_script_timeout(SECONDS)
        yield driver


@pytest.fixture
def board(browser, deployment) -> webdriver.Chrome:
    browser.get(f"{deployment.api_url}/board")
    wait(browser, ".jobs tbody tr")
    return browser


def emulate(browser, width=1280, theme="light"):
    resize(browser, width)
    feature = {"name": "prefers-color-scheme", "value": theme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def cells(browser, column):
    selector = f".jobs tbody td:nth-child({column})"
    return [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, selector)]


def job_ids(browser):
    links = browser.find_elements(By.CSS_SELECTOR, ".jobs tbody a")
    return [link.get_attribute("href").rpartition("/")[2] for link in links]


def test_a_reader_filters_pages_on_and_opens_a_job(board):
    click(board, "input[name=JobStatus][value=COMPLETED]")
    click(board, "input[name=Family][value=SNOMEDCT]")
    board.find_element(By.NAME, "MaxResults").send_keys("25")
    follow(board, "form button[type=submit]")
    assert set(cells(board, 2)) == {"Completed"}
    assert set(cells(board, 3)) == {"SNOMEDCT"}
    first = job_ids(board)
    follow(board, "a[rel=next]")
    second = job_ids(board)
    assert (len(first), len(second)) == (25, 25)
    assert not set(first) & set(second)
    assert wait(board, "input[value=COMPLETED]").is_selected()
    follow(board, ".jobs tbody a")
    assert second[0] in board.find_element(By.TAG_NAME, "dl").text
    assert "Completed" in board.find_element(By.CSS_SELECTOR, ".timeline").text
    grant = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    board.execute_cdp_cmd("Browser.grantPermissions", grant)
    click(board, ".copied button")
    copied = board.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied.startswith(f"jobledger job {second[0]}")
    follow(board, "Board", By.LINK_TEXT)
    assert board.find_element(By.ID, "totals")
    board.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert board.switch_to.active_element.text == "Skip to the content"
    board.switch_to.active_element.send_keys(Keys.ENTER)
    assert board.current_url.endswith("#main")


def test_the_downloaded_csv_holds_all_jobs_that_match(board, downloads, deployment):
    follow(board, "a[rel=next]")
    board.find_element(By.LINK_TEXT, "Download as CSV").click()
    file = downloads / "jobs.csv"
    wait_until(file.exists, SECONDS, "the file is downloaded")
    with file.open(newline="", encoding="utf-8-sig") as lines:
        found = [job["JobId"] for job in csv.DictReader(lines)]
    assert len(found) == len(set(found)) == deployment.get("/summary", Family="ALL").json["Total"]


def test_times_are_shown_in_the_reader_s_zone_on_request_and_stay_so(browser, deployment):
    browser.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "America/Phoenix"})
    browser.get(f"{deployment.api_url}/board?JobStatus=FAILED")
    utc = wait(browser, ".jobs time").text
    browser.find_element(By.CSS_SELECTOR, ".top button").click()
    for _ in range(2):
        shown = datetime.fromisoformat(wait(browser, ".jobs time").text)
        assert shown - datetime.fromisoformat(utc) == timedelta(hours=-7)
        assert "Submitted (America/Phoenix)" in browser.find_element(By.TAG_NAME, "thead").text
        browser.refresh()
    wait(browser, ".top button").click()
    assert wait(browser, ".jobs time").text == utc
    browser.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})


def test_the_board_fits_every_screen_in_both_themes_and_asks_no_other_host(board, deployment):
    assert errors_of(board) == []
    assert asked_elsewhere(board, deployment.api_url) == []
    color = "return getComputedStyle(document.body).backgroundColor"
    for width, theme in itertools.product(WIDTHS, THEMES):
        emulate(board, width, theme)
        assert board.execute_script("return document.documentElement.scrollWidth") <= width
        darkness = sum(map(int, re.findall(r"\d+", board.execute_script(color))[:3])) < 200
        assert darkness == (theme == "dark")
        content = board.execute_script("return document.querySelector('main').clientWidth")
        assert content >= 0.7 * width
    # On a phone a filtered list has its jobs before the form.
    board.get(f"{deployment.api_url}/board?JobStatus=FAILED")
    tops = "return ['.jobs', '.filters'].map(s => document.querySelector(s).getBoundingClientRect().top)"
    for width, jobs_first in ((390, True), (1280, False)):
        emulate(board, width)
        jobs, form = board.execute_script(tops)
        assert (jobs < form) is jobs_first
    # The background goes on below a short page.
    board.get(f"{deployment.api_url}/board?JobNamePrefix=none-such")
    assert board.execute_script("return document.body.getBoundingClientRect().bottom") < 890
    beside_the_card, below_the_page, of_the_card = (
        board.execute_cdp_cmd("Page.captureScreenshot", {"clip": {"x": x, "y": y, **PIXEL}})["data"]
        for x, y in ((5, 400), (5, 895), (640, 300))
    )
    assert beside_the_card == below_the_page != of_the_card


@pytest.mark.parametrize("page", ["board", "board?JobStatus=FAILED", "board?JobStatus=x", "job"])
def test_axe_finds_nothing(browser, deployment, page):
    path = "board" if page == "job" else page
    browser.get(f"{deployment.api_url}/{path}")
    wait(browser, "h1")
    if page == "job":
        follow(browser, ".jobs tbody a")
    browser.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    for theme in THEMES:
        emulate(browser, theme=theme)
        # It lists what passes as well, with one element each.
        run = "axe.run(document, {resultTypes: ['violations']}).then(arguments[0])"
        found = browser.execute_async_script(run)
        assert len(found["passes"]) > 15
        assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == [], theme
    browser.get_log("browser")  # the page of an error is one
    emulate(browser)


def test_the_board_works_without_scripts(browser, deployment):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(f"{deployment.api_url}/board")
        click(browser, "input[value=FAILED]")
        follow(browser, "form button[type=submit]")
        assert set(cells(browser, 2)) == {"Failed"}
        follow(browser, ".jobs tbody a")
        assert len(wait(browser, "pre").text) > 30
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_page_reloads_by_itself_but_not_while_someone_fills_in_the_form(browser, deployment):
    # The page's timer does not run: this test calls what the timer would call.
    script = "window.setInterval = (run, milliseconds) => { window.timer = { run, milliseconds }; }"
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    try:
        browser.get(f"{deployment.api_url}/board")
        wait(browser, ".jobs tbody tr")
        assert browser.execute_script("return timer.milliseconds") == 60_000
        field = browser.find_element(By.NAME, "JobName")
        field.send_keys("night")
        browser.execute_script("window.same = true; document.activeElement.blur(); timer.run()")
        time.sleep(0.5)
        assert browser.execute_script("return window.same") is True
        assert field.get_attribute("value") == "night"
        browser.get(f"{deployment.api_url}/board")
        browser.execute_script("window.same = true; timer.run()")
        reloaded = lambda: browser.execute_script("return window.same") is None  # noqa: E731 - a name
        wait_until(reloaded, SECONDS, "the page is reloaded")
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_the_widget_function_shows_the_same_jobs(board, deployment):
    described = deployment.invoke("WidgetFunctionName", describe=True)
    assert described.startswith("## Job Ledger")
    html = deployment.invoke("WidgetFunctionName", MaxResults="50")
    link = r'"Action": "Job", "JobId": "([0-9a-f]{32})"'
    assert re.findall(link, html.partition('id="jobs"')[2]) == job_ids(board)
    assert f":function:{deployment.outputs['WidgetFunctionName']}" in html
