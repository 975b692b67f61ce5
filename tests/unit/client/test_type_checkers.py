"""Type checkers take the client where types of mypy-boto3-comprehendmedical are asked for."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
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
    command = [str(BIN / "mypy"), "--strict", "--follow-imports=silent", *options, "code.py"]
    command += ["--config-file", "/dev/null", "--show-error-end", "--no-pretty"]
    cache = str(ROOT / ".mypy_cache/client")
    return printed(
        command, folder, {"MYPYPATH": str(ROOT), "PATH": str(BIN), "MYPY_CACHE_DIR": cache}
    )


def pyright(folder):
    settings = {"include": ["code.py"], "extraPaths": [str(ROOT)], "typeCheckingMode": "standard"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [str(BIN / "basedpyright"), "--pythonpath", sys.executable, "--project", str(folder)]
    return printed(command, folder)


def printed(command, folder, environment=None):
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    ).stdout


def wrong_lines(said):
    """The numbers of the lines of code.py with an error."""
    return sorted({int(number) for number in re.findall(r"code\.py:(\d+).*error", said)})


@pytest.mark.slow
@pytest.mark.longest
@pytest.mark.parametrize("checker", [mypy, pyright])
def test_a_type_checker_takes_the_client_for_that_of_the_service(tmp_path, checker):
    (tmp_path / "code.py").write_text(RIGHT)
    assert wrong_lines(said := checker(tmp_path)) == [], said
    (tmp_path / "code.py").write_text(WRONG)
    assert wrong_lines(checker(tmp_path)) == [10, 11, 12, 13]


@pytest.mark.slow
def test_without_those_types_the_clients_own_are_checked(tmp_path):
    (tmp_path / "code.py").write_text(WITHOUT_STUBS)
    assert wrong_lines(mypy(tmp_path, "--no-site-packages")) == [7]
