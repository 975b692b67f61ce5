"""docs/signing.md: what each client signs, and every signed request that a document shows, as AWS would judge it."""

import json
import os
import re
import shutil
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from local import node
from testing.processes import ROOT, run
from testing.served_api import fill, served_api

HERE = Path(__file__).parent
CLIENTS = ROOT / ".venv-clients" / "bin"
SIGNING = (ROOT / "docs" / "signing.md").read_text(encoding="utf-8")
PARAMETERS = [
    ("SubmitTimeAfter", "2026-11-01T00:00:00+01:00"),
    ("JobName", "nächtlich 1/2:a+b=c 夜"),
    ("JobStatus", "FAILED"),
    ("JobStatus", "COMPLETED"),
    ("Family", "PHI"),
]
WRITINGS = {
    "safe": urlencode(sorted(PARAMETERS), quote_via=quote, safe=""),
    "once": urlencode(sorted(dict(PARAMETERS).items()), quote_via=quote, safe=""),
    "unsorted": urlencode(PARAMETERS, quote_via=quote, safe=""),
    "raw": "Family=PHI&JobName=a/b:c&SubmitTimeAfter=2026-11-01T00:00:00Z",
    "form": urlencode(sorted(PARAMETERS)),
}
TABLE = {
    name: dict(zip(WRITINGS, (cell.strip() for cell in cells.split("|")), strict=True))
    for name, cells in re.findall(r"^\| `([^`]+)`[^|]*\|(.*)\|$", SIGNING, re.MULTILINE)
}
IN_NODE = ("@smithy/signature-v4", "aws4", "aws4fetch")
COMMANDS = {
    "awscurl": ["awscurl", "--fail-with-body", "--service", "execute-api", "--region", "us-east-1"],
    "curl before 8.3": [
        "curl", "-fsS", "--aws-sigv4", "aws:amz:us-east-1:execute-api", "--user", "test:test",
        "-H", "x-amz-security-token: token",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def signed_api():
    with served_api(needs_signature=True) as served:
        fill(served.api)
        yield served


@pytest.fixture(scope="module")
def environment(signed_api, tmp_path_factory):
    return {
        **os.environ,
        "PATH": f"{CLIENTS}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path_factory.mktemp("home")),
        "API_URL": signed_api.url,
        "AWS_SESSION_TOKEN": "token",
    }


@pytest.mark.slow
@pytest.mark.parametrize("language", ["python", "node"])
def test_the_signers_of_a_language_do_what_the_table_says(language, signed_api, environment):
    names = [name for name in TABLE if name not in COMMANDS]
    names = [name for name in names if (name in IN_NODE) == (language == "node")]
    url = f"{signed_api.url}/jobs"
    asked = [(name, f"{url}?{query}") for name in names for query in WRITINGS.values()]
    python = (CLIENTS / "python", HERE / "signers.py")
    program = python if language == "python" else ("node", HERE / "signers.mjs", f"{node.CLIENTS}/")
    done = run(*program, env=environment, input=json.dumps(asked))
    assert done.returncode == 0, done.stderr
    words = ["right" if status == 200 else "refused" for status in json.loads(done.stdout)]
    assert words == [word for name in names for word in TABLE[name].values()]


def old_curl() -> bool:
    """Whether curl is here, and too old to sort; libcurl above sorts."""
    said = run("curl", "--version").stdout if shutil.which("curl") else ""
    version = re.match(r"curl (\d+)\.(\d+)", said)
    return version is not None and (7, 75) <= tuple(map(int, version.groups())) < (8, 3)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name == "awscurl" or old_curl()])
def test_a_command_does_what_the_table_says(name, signed_api, environment):
    found = {
        writing: run(*COMMANDS[name], f"{signed_api.url}/jobs?{query}", env=environment).returncode
        for writing, query in WRITINGS.items()
    }
    assert {w: "refused" if status else "right" for w, status in found.items()} == TABLE[name]


def signed_examples():
    """Every code block of a document that signs a request: its place, its language and its text."""
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = file.read_text(encoding="utf-8")
        fenced = re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        indented = [("sh", code) for code in re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)]
        for number, (language, code) in enumerate(fenced + indented):
            for command in commands_in(code) if language in ("sh", "console", "text") else [code]:
                if re.search(r"aws-sigv4|awscurl |SigV4Auth|AWS4Auth|SignatureV4", command):
                    yield pytest.param(language, command, id=f"{file.name}-{number}")


def commands_in(code):
    """The commands of a session, an e-mail or a script that sign a request, each with its continued lines."""
    return re.findall(r"^ *(?:\$ )?((?:curl|awscurl) (?:.*\\\n)*.*)", code, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("language, code", list(signed_examples()))
def test_aws_accepts_what_a_document_signs(language, code, signed_api, environment, tmp_path):
    if "curl" in code and "awscurl" not in code and not shutil.which("curl"):
        pytest.skip("there is no curl on this machine")
    before = len(signed_api.requests)
    code = re.sub(r"https://[^/]+\.amazonaws\.com/v1", signed_api.url, code)
    code = code.replace("--region eu-central-1", "--region us-east-1")
    if language == "python":
        done = run(CLIENTS / "python", "-c", code, env=environment)
    elif language == "js":
        (tmp_path / "node_modules").symlink_to(node.CLIENTS / "node_modules")
        (tmp_path / "example.mjs").write_text(code, encoding="utf-8")
        done = run("node", tmp_path / "example.mjs", env=environment)
    else:
        done = run("sh", "-c", code, env=environment)
    assert done.returncode == 0, done.stderr
    assert '"message"' not in done.stdout
    (request,) = signed_api.requests[before:]
    # It would arrive as a space.
    assert "+" not in request.target


def test_every_client_of_the_table_that_has_an_example_is_tested():
    examples = " ".join(param.values[1] for param in signed_examples())
    for name in ("curl ", "awscurl ", "SigV4Auth", "AWS4Auth", "SignatureV4"):
        assert name in examples
