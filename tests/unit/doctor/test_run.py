"""How the checks are run, and what a person and a program get to see."""

import json
import re
import threading
from pathlib import Path

import pytest

from job_ledger.doctor.cost import PRICES
from job_ledger.doctor.findings import Check, Status, exit_code, ok, problem
from job_ledger.doctor.run import ALL_CHECKS, run_checks
from testing.scripted_server import Scripted, scripted
from tests.unit.client.commands import run
from tests.unit.doctor.recorded import actions, calls, deployed
from tests.unit.doctor.test_checks import found

ROOT = Path(__file__).parents[3]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_a_check_that_hangs_or_breaks_stops_no_other_beside_it():
    def hang(deployment):
        threading.Event().wait(60)
        return ok("late")

    def fail(deployment):
        raise KeyError("notes of Ms Miller")

    checks = [Check("hangs", hang), Check("breaks", fail), Check("works", lambda d: ok("fine"))]
    results = run_checks(deployed(), checks, seconds=0.5)
    found = [(r.check, r.finding.status.value) for r in results]
    assert found == [("hangs", "unknown"), ("breaks", "unknown"), ("works", "ok")]
    assert "Miller" not in str(results)
    assert "KeyError" in results[1].finding.meaning
    # Checks run side by side, and report their progress.
    together = threading.Barrier(3)
    checks = [Check(str(n), lambda d: ok(str(together.wait(30)))) for n in range(3)]
    seen: list[int] = []
    results = run_checks(deployed(), checks, progress=seen.append)
    assert {r.finding.status for r in results} == {Status.OK}
    assert seen[-1] == 3


def test_a_problem_counts_more_than_a_check_that_could_not_look():
    codes = {"": 0, "ok local": 0, "ok problem": 1, "ok unknown": 2, "unknown problem": 1}
    assert {each: exit_code(map(Status, each.split())) for each in codes} == codes


def test_what_the_local_aws_drops_is_ok_there_and_a_problem_in_aws():
    check = Check("recovery", lambda d: problem("off", "on"), dropped_locally="recovery")
    deployment = deployed()
    assert check.run(deployment).status is Status.PROBLEM
    deployment.aws._clients["cloudformation"] = deployment.aws.session.create_client(
        "cloudformation", endpoint_url="http://127.0.0.1:4566"
    )
    assert check.run(deployment).status is Status.LOCAL


def test_an_answer_of_aws_says_something_of_the_deployment_only_if_it_is_about_it():
    for code, meaning in {
        "ExpiredToken": "refuses the credentials",
        "ThrottlingException": "with ThrottlingException",
        "AuthorizationError": "sns:ListSubscriptionsByTopic",
    }.items():
        finding = found("digest subscribers", {"sns.ListSubscriptionsByTopic": code})
        assert (finding.status, meaning in finding.meaning) == (Status.UNKNOWN, True)
    # A deleted resource is a problem.
    finding = found("schedules", {"scheduler.GetSchedule": "ResourceNotFoundException"})
    assert (finding.status, "does not exist" in finding.meaning) == (Status.PROBLEM, True)


def test_every_document_that_a_finding_names_has_its_section():
    sources = [*(ROOT / "job_ledger" / "doctor").glob("*.py")]
    named = {m for s in sources for m in re.findall(r"(docs/\w+\.md)#([\w-]+)", s.read_text())}
    assert len(named) > 10
    for path, anchor in named:
        headings = re.findall(r"^#+ (.*)", (ROOT / path).read_text(), re.MULTILINE)
        assert anchor in {h.lower().replace(" ", "-") for h in headings}, (path, anchor)


def test_the_document_has_every_check_and_the_table_of_costs_their_prices():
    rows = re.findall(r"^\| ([a-zA-Z ,]+) \| (?!is a problem|\|)", OPERATIONS, re.MULTILINE)
    assert {check.name for check in ALL_CHECKS} <= {
        name for row in rows for name in row.split(", ")
    }
    bench = (ROOT / "bench" / "cost.py").read_text()
    for name, price in PRICES.items():
        text = re.escape(f"{price:.10f}".rstrip("0").rstrip("."))
        assert re.search(rf"\b{text}0*\b", bench), name


def test_the_policy_has_each_action_of_the_checks_and_no_other():
    run_checks(deployment := deployed())
    # The template is read of a table without protection.
    looks = ("DescribeStacks", "ListStackResources", "GetTemplate")
    made = calls(deployment) | {f"cloudformation.{name}" for name in looks}
    made = {"apigateway.GET" if "apigateway" in name else name for name in made}
    expected = {n.replace(".", ":").replace("lambda:Invoke", "lambda:InvokeFunction") for n in made}
    assert actions("doctor-policy.json") == expected


@pytest.mark.parametrize(
    "status, error, code, meaning",
    [
        (400, "ValidationError", 1, "There is no stack Other in us-east-1"),
        (403, "AccessDenied", 2, "cloudformation:DescribeStacks"),
        (403, "ExpiredToken", 2, "refuses the credentials"),
    ],
)
def test_without_a_stack_there_is_one_finding(status, error, code, meaning):
    said = f"<Code>{error}</Code><Message>Stack with id Other does not exist</Message>"
    body = f"<ErrorResponse><Error>{said}</Error></ErrorResponse>".encode()
    arguments = ("doctor", "--name", "Other")
    with scripted(Scripted(status, {"Content-Type": "text/xml"}, body)) as server:
        done = run("", *arguments, "--json", AWS_ENDPOINT_URL=server.url)
        shown = run("", *arguments, AWS_ENDPOINT_URL=server.url)
    (check,) = json.loads(done.stdout)["Checks"]
    assert (done.returncode, check["Check"], shown.stderr) == (code, "stack", "")
    assert meaning in check["Meaning"]
    assert meaning.split()[0] in shown.stdout
    assert shown.stdout.endswith("1 problem\n" if code == 1 else "1 could not look\n")


def test_without_credentials_it_cannot_look():
    done = run("", "doctor", HOME="/nonexistent", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert (done.returncode, "no look" in done.stdout) == (2, True), done
