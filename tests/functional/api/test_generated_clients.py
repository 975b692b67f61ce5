"""The OpenAPI document passes the checkers' default rules, and generated clients of it can be compiled and called."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from jobledger.jobs import Family
from local import node
from tests.api import a_job
from tests.recounted import complete_counters
from tests.served_api import served_api

ROOT = Path(__file__).parents[3]
CALLS = Path(__file__).with_name("calls")
DOCUMENT = ROOT / "docs" / "openapi.json"
CLIENTS = ROOT / ".venv-clients" / "bin"
NPM = node.CLIENTS / "node_modules" / ".bin"

pytestmark = pytest.mark.slow


def run(*command, cwd):
    environment = {**os.environ, "PATH": f"{CLIENTS}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd, env=environment, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def url():
    """The API with a job that has a status and a property of a later version of the service."""
    with served_api() as served:
        api = served.api
        statuses = ("COMPLETED", "FAILED", "STOPPED", "IN_PROGRESS")
        api.fill(*(a_job(number, JobStatus=statuses[number % 4]) for number in range(8)))
        name = "nightly notes: 1/2+3"
        api.fill(
            *(a_job(20 + n, JobName=name, JobStatus=status) for n, status in enumerate(statuses))
        )
        api.fill(a_job(99, JobStatus="ARCHIVED", Quality="high"), family=Family.PHI)
        api.mark_synced()
        complete_counters(api.ledger)
        api.answer_of_function = {
            "DigestId": "d" * 32,
            "MessageId": "m",
            "Window": {"Start": "2026-11-01T00:00:00.000Z", "End": "2026-11-02T00:00:00.000Z"},
            "Counts": {"COMPLETED": 1},
        }
        yield served.url


def check(printed):
    ids = [f"{number:032x}" for number in (99, 23, 22, 21)]
    assert json.loads(printed.strip().splitlines()[-1]) == {
        "Listed": ids,
        "Failed": ids[2:],
        "Later": ["ARCHIVED", "high"],
        "Total": 13,
        "Status": "ok",
        "WindowEnd": "2026-11-02",
        "Wrong": ["JobName"],
        "Csv": '"JobId"',
    }


def test_python(url, tmp_path):
    generated = ["--output-path", tmp_path / "generated", "--meta", "none"]
    run("openapi-python-client", "generate", "--path", DOCUMENT, *generated, cwd=tmp_path)
    shutil.copy(CALLS / "calls.py", tmp_path)
    check(run(CLIENTS / "python", "calls.py", url, cwd=tmp_path))


def test_typescript(url, tmp_path):
    shutil.copy(CALLS / "calls.ts", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "node_modules").symlink_to(node.CLIENTS / "node_modules")
    run(NPM / "openapi-typescript", DOCUMENT, "--output", "api.d.ts", cwd=tmp_path)
    options = ["--strict", "--module", "nodenext", "--target", "es2022"]
    run(NPM / "tsc", *options, "calls.ts", cwd=tmp_path)
    check(run("node", "calls.js", url, cwd=tmp_path))


@pytest.mark.skipif(
    not (shutil.which("javac") and shutil.which("java")), reason="there is no JDK on this machine"
)
def test_java(url, tmp_path):
    (jar,) = CLIENTS.parent.glob("lib/python*/site-packages/openapi_generator_cli/*.jar")
    options = [
        "--additional-properties",
        "openApiNullable=false,hideGenerationTimestamp=true",
        "--skip-validate-spec",
    ]
    parts = (
        "apis,models,supportingFiles,apiTests=false,modelTests=false,apiDocs=false,modelDocs=false"
    )
    generate = ["generate", "-g", "java", "--library", "native", "--global-property", parts]
    run("java", "-jar", jar, *generate, "-i", DOCUMENT, "-o", "java", *options, cwd=tmp_path)
    # The generator's jar has what the client needs, Jackson, except for this annotation, which does nothing.
    annotation = tmp_path / "Generated.java"
    annotation.write_text(
        'package javax.annotation; public @interface Generated { String[] value(); String comments() default ""; }'
    )
    sources = [annotation, CALLS / "Calls.java", *(tmp_path / "java/src/main").rglob("*.java")]
    run("javac", "-nowarn", "-proc:none", "-cp", jar, "-d", "classes", *sources, cwd=tmp_path)
    check(run("java", "-cp", f"{jar}{os.pathsep}classes", "Calls", url, cwd=tmp_path))


def test_the_document_passes_redocly_spectral_and_openapi_spec_validator(tmp_path):
    said = run(NPM / "redocly", "lint", DOCUMENT, cwd=tmp_path)
    assert "Your API description is valid" in said
    assert "warning" not in said.lower()
    (tmp_path / "rules.yaml").write_text('extends: ["spectral:oas"]')
    said = run(
        NPM / "spectral",
        "lint",
        "--ruleset",
        "rules.yaml",
        "--fail-severity",
        "hint",
        DOCUMENT,
        cwd=tmp_path,
    )
    assert "No results with a severity" in said
    assert run("openapi-spec-validator", DOCUMENT, cwd=tmp_path).endswith(": OK\n")


def test_the_schema_of_digests_passes_ajv_in_strict_mode(tmp_path):
    (tmp_path / "compile.cjs").write_text(
        """const Ajv = require("ajv/dist/2020").default;
        const strict = { strict: true, strictRequired: true, strictTypes: true, strictTuples: true };
        new Ajv(strict).compile(require(process.argv[2]));"""
    )
    (tmp_path / "node_modules").symlink_to(node.CLIENTS / "node_modules")
    run("node", "compile.cjs", ROOT / "docs" / "digest.schema.json", cwd=tmp_path)
