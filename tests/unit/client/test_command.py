"""The command against the API's own handler, as a process: what it prints, and how it ends."""

import csv
import io
import json
import re
import signal
import subprocess
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest

from job_ledger.command.table import COLUMNS
from testing.scripted_server import Scripted, answering, problem, scripted
from testing.served_api import JOBS
from tests.unit.client.commands import (
    command,
    environment,
    next_line,
    on_terminal,
    run,
    start,
)

ESCAPE = "\x1b["
PHI = f"{9_001:032x}"
LIST = "ComprehendMedicalAsyncJobPropertiesList"


def test_in_a_pipe_the_table_has_tabs_between_whole_values(server):
    done = run(server.url, "jobs", "--family", "phi")
    heading, *rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert heading == list(COLUMNS)
    assert [row[:2] for row in rows] == [["nightly-notes", "STOPPED"], ["夜 =1+1", "FAILED"]]
    assert rows[1][3:6] == ["2026-11-23T08:00:01.000Z", "PHI", PHI] or rows[1][4:6] == ["PHI", PHI]
    assert all(len(row) == len(COLUMNS) for row in rows)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_pipe_is_plain_and_a_terminal_has_colour(server):
    arguments = ("jobs", "--family", "PHI")
    plain = run(server.url, *arguments).stdout
    code, coloured = on_terminal(server.url, *arguments)
    assert code == 0
    assert ESCAPE not in plain
    assert f"{ESCAPE}1;31mFAILED" in coloured
    # What the service's message could do to the terminal is text.
    assert r"\x1b[31mno" in plain
    assert ESCAPE + "31mno" not in coloured


@pytest.mark.parametrize("subcommand", ["jobs", "summary", "health"])
@pytest.mark.parametrize(
    "variables, pipe, terminal",
    [
        ({"FORCE_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": "false"}, False, False),
        ({"FORCE_COLOR": ""}, False, True),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
    ],
    ids=str,
)
def test_colours_are_for_terminals_and_where_they_are_asked_for(
    server, subcommand, variables, pipe, terminal
):
    if subcommand != "jobs":  # its table in a pipe is data
        assert (ESCAPE in run(server.url, subcommand, **variables).stdout) == pipe
    shown = on_terminal(server.url, subcommand, **variables)[1]
    assert bool(re.search(r"\x1b\[[\d;]*3\dm|\x1b\[1m", shown)) == terminal


def test_one_page_says_how_to_get_the_next(server):
    arguments = ("--family", "SNOMEDCT", "--max-results", "2")
    done = run(server.url, "jobs", *arguments, "--format", "ndjson")
    token = done.stderr.split()[-1]
    assert "use --all" in done.stderr
    rest = run(server.url, "jobs", *arguments, "--next-token", token, "--format", "json")
    ids = [json.loads(line)["JobId"] for line in done.stdout.splitlines()]
    ids += [job["JobId"] for job in json.loads(rest.stdout)[LIST]]
    assert ids == [f"{JOBS - n:032x}" for n in (1, 2, 3, 4)]
    assert json.loads(rest.stdout)["NextToken"]


def test_on_a_terminal_no_token_follows_a_page(server):
    shown = on_terminal(server.url, "jobs", "--max-results", "2")[1]
    assert "There are more jobs: use --all.\r\n" in shown
    assert "--next-token" not in shown


def test_people_see_every_family_unless_they_name_some(server):
    families = {
        line.split("\t")[4] for line in run(server.url, "jobs", "--all").stdout.splitlines()
    }
    assert families == {"FAMILY", "SNOMEDCT", "PHI"}
    assert run(server.url, "summary").stdout.startswith("1,205 jobs")
    done = run(server.url, "wait", "--job-name", "夜 =1+1")
    assert (done.returncode, done.stdout.split("\t")[:2]) == (4, ["夜 =1+1", "FAILED"])


@pytest.mark.parametrize("everything", [True, False])
@pytest.mark.parametrize("form", ["table", "json", "csv", "ndjson"])
def test_every_format_has_the_same_jobs(server, form, everything):
    chosen = ["--all", "--max-results", "400"] if everything else ["--max-results", "7"]
    done = run(server.url, "jobs", "--family", "SNOMEDCT", *chosen, "--format", form)
    assert done.returncode == 0, done.stderr
    count = JOBS if everything else 7
    assert ids_in(form, done.stdout) == [f"{n:032x}" for n in range(JOBS - 1, JOBS - 1 - count, -1)]


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


def test_json_of_no_job_is_the_empty_list(server):
    done = run(server.url, "jobs", "--name", "absent", "--all", "--format", "json")
    assert json.loads(done.stdout)[LIST] == []


@pytest.mark.parametrize(
    "arguments, sent",
    [
        (["--status", "failed", "--status", "STOPPED"], "JobStatus=FAILED&JobStatus=STOPPED"),
        (["--job-name", "a b"], "JobName=a%20b"),
        (["--name-prefix", "n"], "JobNamePrefix=n"),
        (["--after", "2026-11-01"], "SubmitTimeAfter=2026-11-01"),
        (
            ["--before", "2026-11-24T00:00:00+01:00"],
            "SubmitTimeBefore=2026-11-24T00%3A00%3A00%2B01%3A00",
        ),
        (["--order", "ascending"], "Order=ascending"),
        (["--max-results", "5"], "MaxResults=5"),
        (["--next-token", "abc"], "NextToken=abc"),
        (["--consistent-read"], "ConsistentRead=true"),
        (["--family", "ICD10CM", "--family", "PHI"], "Family=ICD10CM&Family=PHI"),
        (
            ["--after", "2026-11-29T10:00+02:00"],
            "SubmitTimeAfter=2026-11-29T10%3A00%3A00%2B02%3A00",
        ),
        (["--after", "1795334400.5"], "SubmitTimeAfter=1795334400.5"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_every_filter_of_the_api_is_an_option(server, arguments, sent):
    server.requests.clear()
    run(server.url, "jobs", *arguments)
    parameters = server.requests[0]["QUERY_STRING"].split("&")
    assert [each for each in parameters if each != "Family=ALL"] == sent.split("&")


def test_a_relative_time_is_that_long_ago(server):
    server.requests.clear()
    run(server.url, "jobs", "--after", "7d")
    (text,) = parse_qs(server.requests[0]["QUERY_STRING"])["SubmitTimeAfter"]
    assert re.fullmatch(r"[0-9-]{10}T[0-9:]{8}Z", text)
    ago = datetime.now(UTC) - datetime.fromisoformat(text)
    assert 7 * 86_400 <= ago.total_seconds() < 7 * 86_400 + 60


@pytest.mark.parametrize(
    "arguments, words",
    [
        (
            ["--name", "absent"],
            "No job matches --name absent: none among the 1,205 jobs in SNOMEDCT, ",
        ),
        (["--family", "RXNORM"], "No job matches --family RXNORM: none among the 0 jobs in RXNORM"),
        (["--name-prefix", "absent", "--all"], "--name-prefix absent: none among the 1,205 jobs"),
        (["--status", "FAILED", "--before", "2020-01-01"], "among the 0 jobs of that time in"),
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["table", "json", "csv", "ndjson"])
def test_an_empty_list_says_what_was_looked_at(server, arguments, words, form):
    done = run(server.url, "jobs", *arguments, "--format", form)
    assert (done.returncode, len(done.stderr.splitlines())) == (0, 1)
    assert words in done.stderr
    assert done.stderr.endswith(", as of 2026-11-23 12:00:00 UTC.\n")
    assert "more jobs" not in done.stderr
    if form == "table":
        assert done.stdout == ""


@pytest.mark.parametrize("form", ["table", "json", "csv", "ndjson"])
def test_a_page_without_jobs_is_read_over(form):
    """The API searches for a prefix a part of the ledger at a time."""
    page = {"json": (f'{{"{LIST}":[]', "}"), "csv": ('"JobId"\r\n', ""), "ndjson": ("", "")}

    def answer(request):
        kind = "json" if form == "table" else form
        empty, end = page[kind]
        number = int(request.query.get("NextToken", ["0"])[0])
        job = {"json": f'{{"{LIST}":[{{"JobId":"a","Family":"PHI"}}]', "csv": '"JobId"\r\n"a"\r\n'}
        body = empty if number < 3 else job.get(kind, '{"JobId":"a","Family":"PHI"}\n')
        token = f',"NextToken":"{number + 1}"' if kind == "json" else ""
        headers = {"Link": f'<?NextToken={number + 1}>; rel="next"', "X-Request-Id": "r"}
        return Scripted(headers=headers, body=(body + token + end).encode())

    with answering(answer) as server:
        done = run(server.url, "jobs", "--name-prefix", "a", "--format", form)
    assert (done.returncode, len(server.received)) == (0, 4)
    assert "a" in done.stdout
    assert "No job matches" not in done.stderr


def test_the_start_of_an_id_is_enough(server):
    job = {"JobId": "7c9d2cd0a1f54c0f", "JobStatus": "FAILED", "Family": "PHI"}
    other = {"JobId": "7c9e", "JobStatus": "COMPLETED", "Family": "PHI"}
    described = json.dumps({"ComprehendMedicalAsyncJobProperties": job, "History": []}).encode()

    def answer(request):
        if request.path == "/jobs":
            return Scripted(body=json.dumps({LIST: [job, other], "AsOf": None}).encode())
        known = request.path == "/jobs/7c9d2cd0a1f54c0f"
        return Scripted(body=described) if known else problem(404, "ResourceNotFoundException")

    with answering(answer) as served:
        assert job["JobId"] in run(served.url, "job", "7c9d").stdout
        assert run(served.url, "wait", "7c9d").returncode == 4
        process = start(served.url, "open", "7c9d", BROWSER="true")
        with process:
            assert next_line(process).endswith("/board/jobs/7c9d2cd0a1f54c0f\n")
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
        several = run(served.url, "job", "7c9")
    assert several.returncode == 1
    assert "2 ids begin with 7c9 (7c9d2cd0a1f54c0f, 7c9e): write more" in several.stderr


def test_csv_can_begin_with_a_byte_order_mark_in_a_file_and_in_a_pipe(
    server, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "jobs.csv"
    arguments = ("jobs", "--family", "PHI", "--format", "csv", "--bom", "--output")
    assert run(server.url, *arguments, str(file)).stdout == ""
    assert file.read_bytes().startswith(b'\xef\xbb\xbf"JobId"')
    printed = run(server.url, *arguments, "-").stdout
    assert printed.splitlines() == file.read_text(encoding="utf-8").splitlines()
    assert [path.name for path in tmp_path.iterdir()] == ["jobs.csv"]


def test_a_job_has_its_properties_and_its_history(server):
    done = run(server.url, "job", PHI)
    assert "JobName" in done.stdout
    assert "s3://notes/in/" in done.stdout
    assert done.stdout.splitlines()[-1] == "* 2026-11-23 12:00:00  FAILED"
    described = json.loads(run(server.url, "job", PHI, "--format", "json").stdout)
    assert described["History"][0]["JobStatus"] == "FAILED"


def test_a_summary_has_bars_on_a_terminal(server):
    plain = run(server.url, "summary").stdout
    code, shown = on_terminal(server.url, "summary")
    assert plain.startswith("1,205 jobs")
    assert "█" not in plain
    assert (code, "█" * 13 in shown) == (0, True), "a third of forty"
    arguments = ("summary", "--family", "SNOMEDCT", "--format", "json")
    assert json.loads(run(server.url, *arguments).stdout)["Total"] == JOBS


def test_a_digest_is_published_and_shown(server):
    server.api.answer_of_function = {
        "DigestId": "d" * 32,
        "MessageId": "m",
        "Window": {"Start": "2026-11-22T08:00:00.000Z", "End": "2026-11-23T08:00:00.000Z"},
        "Counts": {"COMPLETED": 7},
    }
    done = run(server.url, "digest")
    assert done.stdout.splitlines()[0] == f"digest {'d' * 32}"
    assert done.stdout.splitlines()[-1].split() == ["COMPLETED", "7"]
    assert json.loads(run(server.url, "digest", "--format", "json").stdout)["MessageId"] == "m"


def test_health_is_a_table_and_an_exit_code(server):
    done = run(server.url, "health")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "ok")
    stale = {
        "type": "about:blank",
        "title": "InternalServerException",
        "status": 503,
        "detail": "old",
        "instance": "urn:request:r",
        "Families": {
            "PHI": {"AsOf": None, "AgeSeconds": None, "LastError": {"Name": "N", "At": "A"}}
        },
    }
    headers = {"Content-Type": "application/problem+json", "Retry-After": "60"}
    with scripted(Scripted(503, headers, json.dumps(stale).encode())) as old:
        done = run(old.url, "health")
        assert (done.returncode, done.stdout.splitlines()[0]) == (1, "stale")
        assert "N at A" in done.stdout
        as_json = run(old.url, "health", "--format", "json")
        assert (as_json.returncode, json.loads(as_json.stdout)["status"]) == (1, 503)


@pytest.mark.parametrize("name, code", [(f"{0:032x}", 0), (f"{2:032x}", 3), (f"{1:032x}", 4)])
def test_wait_ends_with_a_code_for_each_outcome(server, name, code):
    number = int(name, 16)
    job = {
        "JobId": name,
        "JobStatus": ("COMPLETED", "FAILED", "PARTIAL_SUCCESS")[number],
        "Family": "PHI",
    }
    page = Scripted(body=json.dumps({LIST: [job], "AsOf": None}).encode())
    with scripted(page) as ended:
        done = run(ended.url, "wait", "--job-name", "nightly")
    assert done.returncode == code
    assert job["JobStatus"] in done.stdout


def test_wait_follows_the_first_job_it_finds_to_its_end():
    def page(*jobs):
        return Scripted(body=json.dumps({LIST: list(jobs), "AsOf": None}).encode())

    first = {"JobId": "first", "JobStatus": "IN_PROGRESS", "Family": "PHI"}
    second = {"JobId": "second", "JobStatus": "IN_PROGRESS", "Family": "PHI"}
    ended = {"ComprehendMedicalAsyncJobProperties": first | {"JobStatus": "STOPPED"}, "History": []}
    answers = (page(), page(first), page(second), Scripted(body=json.dumps(ended).encode()))
    with scripted(*answers) as server:
        done = run(server.url, "wait", "--job-name", "nightly", "--interval", "0s")
    assert done.returncode == 4
    assert [request.path for request in server.received] == ["/jobs"] * 3 + ["/jobs/first"]
    assert server.received[0].query == {
        "Family": ["ALL"],
        "JobName": ["nightly"],
        "Order": ["descending"],
        "MaxResults": ["1"],
        "ConsistentRead": ["true"],
    }


def test_wait_survives_failures_after_the_first_look():
    job = {"JobId": "a", "JobStatus": "COMPLETED", "Family": "PHI"}
    nothing, found = (
        Scripted(body=json.dumps({LIST: jobs, "AsOf": None}).encode()) for jobs in ([], [job])
    )
    down = problem(503, Retry_After="60")
    arguments = ("wait", "--job-name", "nightly", "--interval", "0s")
    with scripted(nothing, down, down, found) as server:
        assert run(server.url, *arguments).returncode == 0
    with scripted(down) as server:
        assert run(server.url, *arguments).returncode == 1
    with scripted(nothing, problem(403, "AccessDeniedException")) as server:
        assert run(server.url, *arguments).returncode == 1


def test_wait_ends_when_its_time_is_over():
    page = Scripted(body=json.dumps({LIST: [], "AsOf": None}).encode())
    with scripted(page) as server:
        done = run(server.url, "wait", "--job-name", "nightly", "--timeout", "0s")
    expected = "The time is over; no job matches --job-name nightly in all families.\n"
    assert (done.returncode, done.stderr) == (5, expected.replace("--job-name", "--name"))


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
        (
            ["jobs", "--after", "2026-11-20", "--before", "2026-11-19"],
            1,
            "--after: a time earlier than --before",
        ),
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
        (
            ["jobs", "--output", "/nonexistent/x.csv"],
            1,
            "No such file or directory: /nonexistent/x.csv",
        ),
        (["jobs", "--output", "/dev/null"], 1, "not a regular file"),
        (["job"], 2, "--help"),
        (["jobs", "--name", "\udcff"], 1, "not valid Unicode"),
        (["digest", "--idempotency-key", "a\nb"], 1, "printable ASCII"),
        (["digest", "--last", "--start", "1d"], 2, "use it alone"),
        (["bogus"], 2, "jobledger --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_error_is_one_line_that_says_what_to_do(server, arguments, code, words):
    done = run(server.url, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert words in line
    assert ".part" not in line
    assert "See errors" not in line


def test_a_digest_lists_statuses_in_one_order_whatever_the_answer_has():
    counts = {"COMPLETED": 2, "A_NEWER_STATUS": 3, "FAILED": 1, "SUBMITTED": 0}
    window = {"Start": "2026-11-24T08:00:00.000Z", "End": "2026-11-25T08:00:00.000Z"}
    digest = {"DigestId": "d", "Window": window, "Counts": counts}
    with scripted(Scripted(body=json.dumps(digest).encode())) as server:
        lines = run(server.url, "digest", "--last").stdout.splitlines()[2:]
    assert [line.split() for line in lines] == [
        ["SUBMITTED", "0"],
        ["COMPLETED", "2"],
        ["FAILED", "1"],
        ["A_NEWER_STATUS", "3"],
    ]


def test_without_a_subcommand_the_help_is_shown():
    done = run("http://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "\n  jobs " in done.stderr


def test_missing_permission_names_it():
    with scripted(problem(403, "AccessDeniedException")) as server:
        assert "execute-api:Invoke" in run(server.url, "jobs").stderr


def test_the_connection_can_be_given_before_and_after_the_subcommand(server):
    for arguments in (("--url", server.url, "health"), ("health", "--url", server.url)):
        assert run("http://127.0.0.1:1", *arguments).returncode == 0


@pytest.mark.parametrize(
    "subcommand", ["jobs", "job", "summary", "watch", "wait", "digest", "health", "open", ""]
)
def test_help_has_examples(subcommand):
    done = run("", *subcommand.split(), "--help")
    assert done.returncode == 0
    assert "jobledger" in done.stdout.split("Example", 1)[1]


def test_the_shell_completes_commands_options_and_values():
    for words, completed in (("jobledger ", "jobs"), ("jobledger jobs --st", "--status")):
        count = len(words.split(" ")) - 1
        done = run("", _JOBLEDGER_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(count))
        assert f"plain,{completed}" in done.stdout.splitlines()


def test_a_reader_that_has_enough_ends_it_quietly(server):
    for form in ("table", "ndjson"):
        line = f"{' '.join(command('jobs', '--all', '--format', form))} | head -n 1"
        done = subprocess.run(
            ["sh", "-c", line],
            env=environment(server.url),
            capture_output=True,
            text=True,
            check=True,
        )
        assert len(done.stdout.splitlines()) == 1
        assert done.stderr == ""
