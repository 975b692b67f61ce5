"""`make local` as a newcomer sees it: the sample account, its session, and what a second terminal can do."""

import itertools
import os
import re
from collections.abc import Iterator

import pytest

from local.options import ROOT
from tests.e2e.deployment import Deployment, deployed, processes_of
from tests.e2e.programs import documented, printed
from tests.e2e.stack import wait_until

pytestmark = pytest.mark.xdist_group("sample")

AWS_CLI = ROOT / ".venv-awscli" / "bin"
LONGEST_SILENCE = 2.0
NAMES = ("my-notes-1", "my-notes-2", "will-end-in-part", "will-fail")


@pytest.fixture(scope="module")
def sample() -> Iterator[Deployment]:
    folder = ROOT / ".local" / "e2e-sample"
    with deployed(folder, None) as deployment:
        yield deployment
    assert not (folder / "env").exists()
    assert processes_of(folder) == []


def mails(deployment: Deployment, topic: str) -> list[str]:
    name = deployment.outputs[topic].rpartition(":")[2]
    return [file.read_text() for file in (deployment.state_dir / "mail").glob(f"*-{name}.txt")]


def test_four_jobs_are_started_and_a_digest_and_an_alert_are_shown_as_they_come_by_mail(sample):
    started = re.findall(
        r"^start-[\w-]+-job --job-name (\S+): ([0-9a-f]{32})$", sample.output, re.MULTILINE
    )
    assert [name for name, _ in started] == [*NAMES]
    for topic in ("DigestTopicArn", "JobAlertsTopicArn"):
        assert any(mail.rstrip() in sample.output for mail in mails(sample, topic)), topic
    alert = sample.output.split("The alert, as", 1)[1].split("\n$ ", 1)[0]
    assert dict(started)["will-fail"] in alert
    assert re.search(r"^Subject: \[job-ledger\] .*\d+ completed", sample.output, re.MULTILINE)
    counted = re.search(r"^ +([\d,]+)  completed", sample.output, re.MULTILINE)
    assert counted
    assert int(counted[1]) > 0
    shown = sample.output.split("&JobName=will-end-in-part&", 1)[1].split("\n$ ", 1)[0]
    assert re.search(r'"UnprocessedFilesCount": [1-9]\d*,', shown)
    assert '"ErrorCodes": {' in shown
    assert "of the last 30 days processed is read" in sample.output
    assert sample.output.rstrip().splitlines()[-1] == f"The board: {sample.api_url}/board"


def test_what_takes_more_than_two_seconds_is_announced(sample):
    _, *steps = re.split(r"^\[ *([\d.]+) s\] ", sample.output, flags=re.MULTILINE)
    times, texts = [float(time) for time in steps[::2]], steps[1::2]
    for (before, after), text in zip(itertools.pairwise(times), texts, strict=False):
        assert after - before < LONGEST_SILENCE or re.search("runs|[Ww]aiting", text), text


def test_the_shells_of_the_document_list_jobs_and_see_a_job_of_its_own_end_while_others_start(
    sample, tmp_path
):
    def total() -> int:
        return int(sample.get("/summary", Family="ALL").json["Total"])

    first, env = total(), sample.state_dir / "env"
    known = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    own = {"PATH": f"{AWS_CLI}{os.pathsep}{known['PATH']}", "HOME": str(tmp_path)}
    listing, job = documented("docs/local.md", "sh")
    for block, seen in ((listing, "FAILED"), (job, "COMPLETED")):
        script = f". {env}\n" + block.replace(". .local/env\n", "")
        said = printed("sh", "-e", "-c", script, variables=known | own, cwd=tmp_path)
        assert seen in said
    # The document's own job is one of them.
    wait_until(lambda: total() > first + 1, 150, "another job is listed", every=2)
