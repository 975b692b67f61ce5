"""The client's types: those of the API's OpenAPI document, and to checkers those of mypy-boto3-comprehendmedical."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, NotRequired, Required, get_args, get_origin, get_type_hints

import pytest

from job_ledger import types
from job_ledger.filters import JOB_FILTERS, LIST_FILTERS, api_name

ROOT = Path(__file__).parents[3]
DOCUMENT = json.loads((ROOT / "lambda/jobledger/api/static/openapi.json").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
# Types with a schema of the same name; the others are found below these.
NAMED = ("Job", "JobList", "JobDescription", "Summary", "DigestRequest", "DigestAnswer", "Health", "Problem")  # fmt: skip
PLAIN = {"string": str, "integer": int, "number": float, "boolean": bool, "null": type(None)}


def check(hint: Any, schema: dict[str, Any], path: str) -> None:
    """Assert that a type is that of a schema."""
    if "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    if get_origin(hint) in (NotRequired, Required):
        (hint,) = get_args(hint)
    kinds = schema.get("type")
    if isinstance(kinds, list):
        alternatives = set(get_args(hint))
        assert type(None) in alternatives, path
        (kind,) = set(kinds) - {"null"}
        (inner,) = alternatives - {type(None)}
        check(inner, schema | {"type": kind}, path)
    elif kinds == "array":
        assert get_origin(hint) is list, path
        check(get_args(hint)[0], schema["items"], f"{path}[]")
    elif kinds == "object" and "properties" not in schema:
        assert get_origin(hint) is dict, path
        values = schema.get("additionalProperties")
        if isinstance(values, dict):
            check(get_args(hint)[1], values, f"{path}.*")
    elif kinds == "object":
        hints = get_type_hints(hint, include_extras=True)
        assert hints.keys() == schema["properties"].keys(), path
        assert hint.__required_keys__ == set(schema.get("required", ())), path
        for name, inner_schema in schema["properties"].items():
            check(hints[name], inner_schema, f"{path}.{name}")
    else:
        assert hint is PLAIN[str(kinds)], path


@pytest.mark.parametrize("name", NAMED)
def test_a_type_is_that_of_the_document(name):
    check(getattr(types, name), SCHEMAS[name], name)
    assert SCHEMAS.keys() - set(NAMED) == {"FamiliesHealth", "SourcesHealth"}, "of Health"


def parameters_of(path):
    parameters = DOCUMENT["paths"][path]["get"]["parameters"]
    return {each["name"]: each["schema"] for each in parameters if each["in"] == "query"}


def test_the_filters_and_their_names_are_the_parameters_of_the_document():
    assert {api_name(n) for n in LIST_FILTERS} == parameters_of("/jobs").keys() - {"Format"}
    assert {api_name(n) for n in JOB_FILTERS} == parameters_of("/summary").keys()
    for name in ("Family", "JobStatus"):
        assert get_origin(getattr(types, name)) is Literal
        names = parameters_of("/jobs")[name]["items"]["enum"]
        assert list(get_args(getattr(types, name))) == names


BIN = Path(sys.executable).parent
RIGHT = """
from mypy_boto3_comprehendmedical import ComprehendMedicalClient
from mypy_boto3_comprehendmedical.type_defs import ListSNOMEDCTInferenceJobsResponseTypeDef

from job_ledger import ApiError, JobLedger


def ids(client: ComprehendMedicalClient) -> list[str]:
    try:
        answer = client.list_snomedct_inference_jobs(Filter={"JobName": "nightly"}, MaxResults=10)
    except client.exceptions.ResourceNotFoundException:
        return []
    return [job.get("JobId", "") for job in answer["ComprehendMedicalAsyncJobPropertiesList"]]


ledger = JobLedger(region_name="us-east-1")
found: list[str] = ids(ledger)
answer: ListSNOMEDCTInferenceJobsResponseTypeDef = ledger.list_snomedct_inference_jobs()
for job in ledger.jobs(family="ALL", job_status="FAILED"):
    print(job["Family"])
try:
    ledger.get_waiter("job_completed").wait(JobId="x")
except ApiError as error:
    print(error.status)
"""
WRONG = """
from mypy_boto3_comprehendmedical import ComprehendMedicalClient

from job_ledger import JobLedger


def ids(client: ComprehendMedicalClient) -> None: ...


ids("no client")
JobLedger().list_snomedct_inference_jobs(Filter={"Bogus": "x"})
JobLedger(regionname="us-east-1")
JobLedger().jobs(job_stat="FAILED")
"""
WITHOUT_STUBS = """
from job_ledger import JobLedger

answer = JobLedger().list_snomedct_inference_jobs(MaxResults=10)
for job in JobLedger().jobs(family="PHI"):
    name: str = job.get("JobName", "")
JobLedger(regionname="us-east-1")
"""


def mypy(folder, *options):
    strictly = ["--strict", "--follow-imports=silent", "--config-file=/dev/null", *options]
    environment = {"MYPYPATH": str(ROOT), "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache/client")}
    return printed(["mypy", *strictly, "--no-pretty", "code.py"], folder, environment)


def pyright(folder):
    settings = {"include": ["code.py"], "extraPaths": [str(ROOT)], "typeCheckingMode": "standard"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = ["basedpyright", "--pythonpath", sys.executable, "--project", str(folder)]
    return printed(command, folder, {})


def printed(command, folder, variables):
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=folder, env={**os.environ, **variables},
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip


def wrong_lines(said):
    """The numbers of the lines of code.py with an error."""
    return sorted({int(number) for number in re.findall(r"code\.py:(\d+).*error", said)})


@pytest.mark.slow
@pytest.mark.longest
def test_type_checkers_take_the_client_for_that_of_the_service_and_check_it_alone(tmp_path):
    code = tmp_path / "code.py"
    for checker in (mypy, pyright):
        code.write_text(RIGHT)
        assert wrong_lines(said := checker(tmp_path)) == [], said
        code.write_text(WRONG)
        assert wrong_lines(checker(tmp_path)) == [10, 11, 12, 13]
    code.write_text(WITHOUT_STUBS)
    assert wrong_lines(mypy(tmp_path, "--no-site-packages")) == [7]
