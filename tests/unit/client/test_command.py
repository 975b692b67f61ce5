"""The command against the API's own handler: what it prints, and how it ends."""

import csv
import io
import json
import re
import subprocess
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest

from job_ledger.command.table import COLUMNS
from testing.scripted_server import Scripted, answering, document, problem, scripted
from testing.served_api import JOBS
from tests.unit.client.commands import command, environment, on_terminal, run, start
from tests.unit.client.paged import LIST, described, page

ESCAPE = "\x1b["
PHI = f"{9_001:032x}"
FORMATS = ("table", "json", "csv", "ndjson")
OWN = "111122223333"
NOWHERE = "http://127.0.0.1:1"


def a_job(job_id, status):
    return {"JobId": job_id, "JobStatus": status, "Family": "PHI"}


def test_a_process_prints_a_plain_table_with_tabs_in_a_pipe_and_colour_on_a_terminal(server):
    with start(server.url, "jobs", "--family", "phi") as process:
        printed, errors = process.communicate(timeout=60)
    heading, *rows = [line.split("\t") for line in printed.splitlines()]
    assert heading == list(COLUMNS)
    assert [row[:2] for row in rows] == [["nightly-notes", "STOPPED"], ["夜 =1+1", "FAILED"]]
    assert rows[1][4:6] == ["PHI", PHI]
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert (process.returncode, errors, ESCAPE in printed) == (0, "", False)
    code, coloured = on_terminal(server.url, "jobs", "--family", "PHI")
    assert (code, f"{ESCAPE}1;31mFAILED" in coloured) == (0, True)
    # What the service's message could do to the terminal is text.
    assert r"\x1b[31mno" in printed
    assert ESCAPE + "31mno" not in coloured


@pytest.mark.parametrize(
    "variables, pipe, terminal",
    [
        ({"FORCE_COLOR": "0"}, False, False), ({"FORCE_COLOR": "false"}, False, False),
        ({"FORCE_COLOR": ""}, False, True), ({"FORCE_COLOR": "1"}, True, True),
        ({"NO_COLOR": "1"}, False, False), ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
    ],
)  # fmt: skip
def test_colours_are_for_terminals_or_on_request(server, variables, pipe, terminal):
    for subcommand in ("summary", "health"):  # a table of jobs in a pipe is data
        assert (ESCAPE in run(server.url, subcommand, **variables).stdout) == pipe
    shown = run(server.url, "jobs", columns=120, **variables).stdout
    assert bool(re.search(r"\x1b\[[\d;]*3\dm|\x1b\[1m", shown)) == terminal


def test_one_page_says_how_to_get_the_next_and_on_a_terminal_without_a_token(server):
    arguments = ("jobs", "--family", "SNOMEDCT", "--max-results", "2")
    done = run(server.url, *arguments, "--format", "ndjson")
    token = done.stderr.split()[-1]
    assert "use --all" in done.stderr
    rest = run(server.url, *arguments, "--next-token", token, "--format", "json")
    ids = [*ids_in("ndjson", done.stdout), *ids_in("json", rest.stdout)]
    assert ids == [f"{JOBS - n:032x}" for n in (1, 2, 3, 4)]
    assert json.loads(rest.stdout)["NextToken"]
    shown = run(server.url, *arguments, columns=120).stdout
    assert shown.endswith("There are more jobs: use --all.\n")


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_the_same_jobs_also_in_a_file_for_its_owner_alone(server, form, tmp_path):
    file = tmp_path / ("jobs.CSV" if form == "csv" else f"jobs.{form}".replace("table", "txt"))
    expected = [f"{n:032x}" for n in reversed(range(JOBS))]
    arguments = ("jobs", "--family", "SNOMEDCT")
    done = run(server.url, *arguments, "--max-results", "7", "--format", form)
    assert ids_in(form, done.stdout) == expected[:7]
    done = run(server.url, *arguments, "--all", "--max-results", "400", "--output", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert ids_in(form, file.read_bytes().decode()) == expected
    assert [*tmp_path.iterdir()] == [file]
    assert file.stat().st_mode & 0o777 == 0o600


def ids_in(form, text):
    if form == "table":
        return [line.split("\t")[5] for line in text.splitlines()[1:]]
    if form == "json":
        document = json.loads(text)
        assert document["AsOf"]
        return [job["JobId"] for job in document[LIST]]
    if form == "ndjson":
        return [json.loads(line)["JobId"] for line in text.splitlines()]
    return [row["JobId"] for row in csv.DictReader(io.StringIO(text, newline=""))]


def test_every_filter_of_the_api_is_an_option(server):
    for options, sent in {
        "--status failed --status STOPPED": "JobStatus=FAILED&JobStatus=STOPPED",
        "--job-name a+b": "JobName=a%2Bb",
        "--name-prefix n": "JobNamePrefix=n",
        "--after 2026-11-01": "SubmitTimeAfter=2026-11-01",
        "--before 2026-11-24T00:00:00Z": "SubmitTimeBefore=2026-11-24T00%3A00%3A00Z",
        "--order ascending": "Order=ascending",
        "--max-results 5": "MaxResults=5",
        "--next-token abc": "NextToken=abc",
        "--consistent-read": "ConsistentRead=true",
        "--family ICD10CM --family PHI": "Family=ICD10CM&Family=PHI",
        "--after 2026-11-29T10:00+02:00": "SubmitTimeAfter=2026-11-29T10%3A00%3A00%2B02%3A00",
        "--after 1795334400.5": "SubmitTimeAfter=1795334400.5",
        # --region is that of the session.
        f"--account {OWN} --job-region a --region b": f"Account={OWN}&Region=a",
        "--after 7d": None,
    }.items():
        server.requests.clear()
        run(server.url, "jobs", *options.split())
        query = server.requests[0].target.partition("?")[2]
        # People see every family unless they name some.
        every = [] if "--family" in options else ["Family=ALL"]
        assert sent is None or set(query.split("&")) == {*every, *sent.split("&")}
    # The last is a relative time, that long ago.
    (text,) = parse_qs(query)["SubmitTimeAfter"]
    assert re.fullmatch(r"[0-9-]{10}T[0-9:]{8}Z", text)
    ago = datetime.now(UTC) - datetime.fromisoformat(text)
    assert 7 * 86_400 <= ago.total_seconds() < 7 * 86_400 + 60


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_list_says_what_was_looked_at(server, form):
    for arguments, words in {
        "--name absent": "No job matches --name absent: none among the 1,205 jobs in SNOMEDCT, ",
        "--family RXNORM": "No job matches --family RXNORM: none among the 0 jobs in RXNORM",
        "--name-prefix absent --all": "--name-prefix absent: none among the 1,205 jobs",
        "--status FAILED --before 2020-01-01": "among the 0 jobs of that time in",
    }.items():
        done = run(server.url, "jobs", *arguments.split(), "--format", form)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 0
        assert words in line
        assert line.endswith(", as of 2026-11-23 12:00:00 UTC.")
        assert ids_in(form, done.stdout) == []
        assert done.stdout == "" or form != "table"


@pytest.mark.parametrize("form", FORMATS)
def test_a_page_without_jobs_is_read_over(form):
    """The API searches for a prefix a part of the ledger at a time."""
    kind = "json" if form == "table" else form
    job = '{"JobId":"a","Family":"PHI"}'
    empty = {"json": f'{{"{LIST}":[', "csv": '"JobId"\r\n', "ndjson": ""}[kind]
    row = {"json": job, "csv": '"a"\r\n', "ndjson": f"{job}\n"}[kind]

    def answer(request):
        number = int(request.query.get("NextToken", ["0"])[0]) + 1
        body = empty + row * (number == 4)
        body += f'],"NextToken":"{number}"}}' if kind == "json" else ""
        headers = {"Link": f'<?NextToken={number}>; rel="next"', "X-Request-Id": "r"}
        return Scripted(200, headers, body.encode())

    with answering(answer) as server:
        done = run(server.url, "jobs", "--name-prefix", "a", "--format", form)
    assert (done.returncode, len(server.received)) == (0, 4)
    assert "a" in done.stdout
    assert "No job matches" not in done.stderr


def test_the_start_of_an_id_is_enough():
    job, other = a_job("7c9d2cd0a1f54c0f", "FAILED"), a_job("7c9e", "COMPLETED")

    def answer(request):
        if request.path == "/jobs":
            return page(job, other)
        known = request.path == "/jobs/7c9d2cd0a1f54c0f"
        return described(job) if known else problem(404, "ResourceNotFoundException")

    with answering(answer) as served:
        assert job["JobId"] in run(served.url, "job", "7c9d").stdout
        assert run(served.url, "wait", "7c9d").returncode == 4
        several = run(served.url, "job", "7c9")
    assert several.returncode == 1
    assert "2 ids begin with 7c9 (7c9d2cd0a1f54c0f, 7c9e): write more" in several.stderr


def test_csv_can_begin_with_a_byte_order_mark(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ("jobs", "--family", "PHI", "--format", "csv", "--bom", "--output")
    assert run(server.url, *arguments, "jobs.csv").stdout == ""
    (file,) = tmp_path.iterdir()
    assert file.read_bytes().startswith(b'\xef\xbb\xbf"JobId"')
    assert run(server.url, *arguments, "-").stdout.encode() == file.read_bytes()


def test_a_job_has_its_properties_and_its_history_and_a_summary_bars_on_a_terminal(server):
    lines = run(server.url, "job", PHI).stdout.splitlines()
    assert "InputDataConfig    s3://notes/in/" in lines
    assert lines[-1] == "* 2026-11-23 12:00:00  FAILED"
    as_json = json.loads(run(server.url, "job", PHI, "--format", "json").stdout)
    assert as_json["History"][0]["JobStatus"] == "FAILED"
    plain = run(server.url, "summary").stdout
    assert (plain.startswith("1,205 jobs"), "█" in plain) == (True, False)
    assert "█" * 13 in run(server.url, "summary", columns=120).stdout, "a third of forty"
    done = run(server.url, "summary", "--family", "SNOMEDCT", "--format", "json")
    assert json.loads(done.stdout)["Total"] == JOBS


def test_a_digest_is_shown_with_its_statuses_in_one_order_and_so_are_those_of_single_sources():
    counts = {"COMPLETED": 2, "A_NEWER_STATUS": 3, "FAILED": 1, "SUBMITTED": 0}
    window = {"Start": "2026-11-24T08:00:00.000Z", "End": "2026-11-25T08:00:00.000Z"}
    digest = {"DigestId": "d", "MessageId": "m", "Window": window, "Counts": counts}
    shown = [["SUBMITTED", "0"], ["COMPLETED", "2"], ["FAILED", "1"], ["A_NEWER_STATUS", "3"]]
    with scripted(document(digest)) as server:
        for arguments, method in (("--last", "GET"), ("--start=1d", "POST")):
            first, _, *lines = run(server.url, "digest", arguments).stdout.splitlines()
            assert (first, [line.split() for line in lines]) == ("digest d", shown)
            assert server.received[-1].method == method
        assert json.loads(run(server.url, "digest", "--format", "json").stdout) == digest
    sources = [
        {"Account": "111122223333", "Region": region} | digest | {"Counts": {"FAILED": 1}}
        for region in ("us-east-1", "eu-west-1")
    ]
    with scripted(document(digest | {"Digests": sources})) as server:
        lines = run(server.url, "digest", "--last").stdout.splitlines()
    assert lines[::4] == ["111122223333/us-east-1", "111122223333/eu-west-1"]
    assert lines[1::4] == ["digest d", "digest d"]


def test_health_is_a_table_and_an_exit_code(server):
    done = run(server.url, "health")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "ok")
    late = {"AsOf": None, "AgeSeconds": None, "LastError": {"Name": "N", "At": "A"}}
    answer = problem(503, Retry_After="60")
    body = json.dumps(json.loads(answer.body) | {"Families": {"PHI": late}}).encode()
    with scripted(Scripted(503, answer.headers, body)) as old:
        done, as_json = run(old.url, "health"), run(old.url, "health", "--format", "json")
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, "stale")
    assert "N at A" in done.stdout
    assert (as_json.returncode, json.loads(as_json.stdout)["status"]) == (1, 503)


WAIT = ("wait", "--job-name", "nightly")
DENIED = problem(403, "AccessDeniedException")
NOT_SYNCED = "The last sync before that did not succeed."


def test_wait_follows_the_first_job_it_finds_to_its_end():
    first, second = a_job("first", "IN_PROGRESS"), a_job("second", "IN_PROGRESS")
    answers = (page(), page(first), page(second), described(first | {"JobStatus": "STOPPED"}))
    with scripted(*answers) as server:
        assert run(server.url, *WAIT).returncode == 4
    assert [request.path for request in server.received] == ["/jobs"] * 3 + ["/jobs/first"]
    assert server.received[0].query == {
        "Family": ["ALL"], "JobName": ["nightly"], "Order": ["descending"], "MaxResults": ["1"],
        "ConsistentRead": ["true"],
    }  # fmt: skip


def test_wait_has_a_code_for_each_outcome_and_survives_failures_after_the_first_look():
    down = problem(503, Retry_After="60")
    completed, active = page(a_job("a", "COMPLETED")), page(a_job("a", "IN_PROGRESS"), Stale=True)
    for answers, code, shown in (
        ([completed], 0, "COMPLETED"),
        ([page(a_job("a", "PARTIAL_SUCCESS"))], 3, "PARTIAL_SUCCESS"),
        ([page(a_job("a", "FAILED"))], 4, "FAILED"),
        ([page(), down, down, completed], 0, "COMPLETED"),
        *(([down], 1, ""), ([page(), DENIED], 1, "")),
    ):
        with scripted(*answers) as server:
            done = run(server.url, *WAIT)
        assert (done.returncode, shown in done.stdout) == (code, True)
    for answer, said in (
        (page(), "Time is up; no job matches --name nightly in all families.\n"),
        (active, f"Time is up; the job is still active.\n{NOT_SYNCED} See jobledger health.\n"),
    ):
        with scripted(answer) as server:
            done = run(server.url, *WAIT, "--timeout", "0s")
        assert (done.returncode, done.stderr) == (5, said)


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["job", "absent"], 1, "ResourceNotFoundException (404)"),
        (["jobs", "--after", "2026-13-01"], 2, "an RFC 3339 time with its offset"),
        (["jobs", "--after", "2026-11-29T10:00"], 2, "2026-11-29T10:00:00Z"),
        (["jobs", "--after", "2026-11-29 10:00:00"], 2, "2026-11-29T10:00:00Z"),
        (["jobs", "--before", "2026"], 2, "did you mean 2026-01-01?"),
        (["jobs", "--after", "20261123"], 2, "did you mean 2026-11-23?"),
        (["jobs", "--after", "202611230800"], 2, "did you mean 2026-11-23T08:00:00Z?"),
        (["jobs", "--after", "20261123080000"], 2, "did you mean 2026-11-23T08:00:00Z?"),
        (["digest", "--start", "20261123"], 2, "did you mean 2026-11-23?"),
        (["jobs", "--after=2026-11-20", "--before=2026-11-19"], 1, "--after: a time earlier than --before"),
        (["jobs", "--name", "no*stars"], 1, "--name: 1 to 256 letters"),
        (["jobs", "--output", "jobs.xlsx"], 2, "Excel opens --output jobs.csv --bom"),
        (["jobs", "--output", "jobs.parquet"], 2, "use .csv, .json, .ndjson or .txt"),
        (["jobs", "--bom"], 2, "--bom is for --format csv"),
        (["wait", "x", "--after", "1d"], 2, "use it without filters"),
        (["job", "000000000"], 1, "ids begin with 000000000"),
        (["job", "absent"], 1, "Of the newest 1,205 jobs, no id begins with it"),
        (["jobs", "--after", "yesterday"], 2, "how long ago (90s, 60m, 12h, 7d, 2w)"),
        (["jobs", "--after", "7x"], 2, "epoch seconds. See `jobledger jobs --help`."),
        (["jobs", "--status", "DONE"], 2, "SUBMITTED, IN_PROGRESS"),
        (["jobs", "--max-results", "501"], 2, "1<=x<=500"),
        (["wait"], 2, "use --job-name"),
        (["wait", "--job-name", "x", "--timeout", "soon"], 2, "such as 60m"),
        (["jobs", "--url", "http://example.org"], 1, "needs https"),
        (["jobs", "--url", "http://127.0.0.1:1"], 1, "Check its URL"),
        (["jobs", "--profile", "absent"], 1, "absent"),
        (["jobs", "--output", "/nonexistent/x.csv"], 1, "No such file or directory: /nonexistent/x.csv"),
        (["jobs", "--output", "/dev/null"], 1, "not a regular file"),
        (["job"], 2, "--help"),
        (["jobs", "--name", "\udcff"], 1, "not valid Unicode"),
        (["digest", "--idempotency-key", "a\nb"], 1, "printable ASCII"),
        (["digest", "--last", "--start", "1d"], 2, "use it alone"),
        (["bogus"], 2, "jobledger --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_an_error_is_one_line_that_says_what_to_do(server, arguments, code, words):
    done = run(server.url, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert words in line
    assert ".part" not in line
    assert "See errors" not in line


def test_a_missing_permission_is_named_and_the_connection_can_be_given_anywhere(server):
    with scripted(DENIED) as refusing:
        assert "execute-api:Invoke" in run(refusing.url, "jobs").stderr
    for arguments in (("--url", server.url, "health"), ("health", "--url", server.url)):
        assert run(NOWHERE, *arguments).returncode == 0


def test_help_has_examples_and_is_shown_without_a_subcommand():
    for subcommand in ("jobs", "job", "summary", "watch", "wait", "digest", "health", "open", ""):
        done = run("", *subcommand.split(), "--help")
        assert done.returncode == 0
        assert "jobledger" in done.stdout.split("Example", 1)[1]
    done = run(NOWHERE)
    assert (done.returncode, done.stdout) == (2, "")
    assert "\n  jobs " in done.stderr


def test_a_shell_completes_takes_any_argument_and_a_reader_that_has_enough_ends_it(server):
    def printed(line, **variables):
        return subprocess.run(
            ["sh", "-c", line], env=environment(server.url, **variables), check=True, capture_output=True, text=True
        )  # fmt: skip

    jobledger = " ".join(command())
    for words, completed in (("jobledger ", "jobs"), ("jobledger jobs --st", "--status")):
        variables = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
        done = printed(jobledger, **variables, _JOBLEDGER_COMPLETE="bash_complete")
        assert f"plain,{completed}" in done.stdout.splitlines()
    for form in ("table", "ndjson"):
        done = printed(f"{jobledger} jobs --all --format {form} | head -n 1")
        assert (len(done.stdout.splitlines()), done.stderr) == (1, "")
    done = printed(f"{jobledger} jobs --name '\udcff' || echo $?")
    assert done.stdout == "1\n"
    assert done.stderr.endswith("not valid Unicode text.\n")
