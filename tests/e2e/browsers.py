"""A real browser that reaches nothing but this machine."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as expect
from selenium.webdriver.support.wait import WebDriverWait

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

needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and CHROMEDRIVER),
    reason="no Chromium here: apt-get install chromium chromium-driver, then this runs, too",
)


@contextmanager
def chromium(folder: Path) -> Iterator[webdriver.Chrome]:
    """Run Chromium with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    service = webdriver.ChromeService(executable_path=CHROMEDRIVER)
    with webdriver.Chrome(options=options, service=service) as driver:
        yield driver


def wait(browser: webdriver.Chrome, selector: str):
    found = expect.presence_of_element_located((By.CSS_SELECTOR, selector))
    return WebDriverWait(browser, SECONDS).until(found)


def click(browser: webdriver.Chrome, selector: str, by: str = By.CSS_SELECTOR) -> None:
    element = WebDriverWait(browser, SECONDS).until(
        expect.presence_of_element_located((by, selector))
    )
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    WebDriverWait(browser, SECONDS).until(expect.element_to_be_clickable((by, selector))).click()


def follow(browser: webdriver.Chrome, selector: str, by: str = By.CSS_SELECTOR) -> None:
    """Click what leads to another page, and wait until this one is gone: both may have what is looked for next."""
    page = browser.find_element(By.TAG_NAME, "html")
    click(browser, selector, by)
    # chromedriver may raise an error of its own while the page is being replaced.
    replaced = WebDriverWait(browser, SECONDS, ignored_exceptions=[WebDriverException])
    replaced.until(expect.staleness_of(page))


def resize(browser: webdriver.Chrome, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def errors_of(browser: webdriver.Chrome) -> list[dict]:
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def requested(browser: webdriver.Chrome) -> list[str]:
    """Return the URLs of what the shown page has loaded."""
    script = "return performance.getEntriesByType('resource').map(e => e.name)"
    urls: list[str] = browser.execute_script(script)
    return urls


def asked_elsewhere(browser: webdriver.Chrome, home: str) -> list[str]:
    """What the shown page has asked of anything but `home`."""
    return [url for url in requested(browser) if not url.startswith((home, "data:", "blob:"))]
