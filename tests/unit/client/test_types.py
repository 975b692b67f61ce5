"""The client's types: those of the API's OpenAPI document, and to checkers those of mypy-boto3-comprehendmedical."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any, Literal, NotRequired, Required, get_args, get_origin, get_type_hints

import pytest

from job_ledger import types
from job_ledger.filters import JOB_FILTERS, LIST_FILTERS, api_name
from testing.processes import ROOT, run

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
ids("no client")  # wrong
ledger.list_snomedct_inference_jobs(Filter={"Bogus": "x"})  # wrong
JobLedger(regionname="us-east-1")  # wrong
ledger.jobs(job_stat="FAILED")  # wrong
"""
WITHOUT_STUBS = """
from job_ledger import JobLedger

answer = JobLedger().list_snomedct_inference_jobs(MaxResults=10)
for job in JobLedger().jobs(family="PHI"):
    name: str = job.get("JobName", "")
JobLedger(regionname="us-east-1")  # wrong
"""
STRICTLY = ("--strict", "--follow-imports=silent", "--config-file=/dev/null", "--no-pretty")
SETTINGS = {"include": ["code.py"], "extraPaths": [str(ROOT)], "typeCheckingMode": "standard"}


@pytest.mark.slow
@pytest.mark.longest
@pytest.mark.parametrize(
    "code, command",
    [
        (RIGHT + WRONG, ("mypy", *STRICTLY, "code.py")),
        (RIGHT + WRONG, ("basedpyright", "--pythonpath", sys.executable)),
        (WITHOUT_STUBS, ("mypy", *STRICTLY, "--no-site-packages", "code.py")),
    ],
    ids=["mypy", "pyright", "without stubs"],
)
def test_type_checkers_take_the_client_for_that_of_the_service_and_check_it_alone(
    tmp_path, code, command
):
    (tmp_path / "code.py").write_text(code)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(SETTINGS))
    program, *arguments = command
    caches = {"MYPYPATH": str(ROOT), "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache/client")}
    checker = Path(sys.executable).with_name(program)
    said = run(checker, *arguments, cwd=tmp_path, env=os.environ | caches).stdout
    wrong = [n for n, line in enumerate(code.splitlines(), 1) if line.endswith("# wrong")]
    assert sorted({int(n) for n in re.findall(r"code\.py:(\d+).*error", said)}) == wrong, said
