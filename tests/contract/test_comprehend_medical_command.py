"""The command: its jobs file, its made-up account, and its errors."""

import json
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from local import comprehend_medical
from local.comprehend_medical import Family, JobsFileError, Service, read_jobs, sample_jobs
from local.comprehend_medical.__main__ import main
from local.comprehend_medical.jobs import ACTIVE, ENDED
from local.comprehend_medical.model import job_shape
from local.comprehend_medical.sample import ODD_NAMES
from testing.processes import ROOT
from tests.contract.shapes import LIST_KEY, Clock, client_for, job

COMMAND = [sys.executable, "-m", "local.comprehend_medical"]
NOW = 1_793_000_000.0


@contextmanager
def running(*arguments):
    """Run the command on a free port; give the process and its first line."""
    command = [*COMMAND, "--port", "0", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout
            yield process, process.stdout.readline()
        finally:
            process.kill()


def client_of(line):
    """Make a client of the command that says where it is."""
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, line
    return client_for(found[0])


def test_it_says_where_it_is_serves_and_ends_with_status_0():
    with running("--tame", "all") as (process, line):
        where = r"Comprehend Medical stand-in: http://127\.0\.0\.1:\d+"
        assert re.fullmatch(rf"{where} \(2,500 jobs\)\n", line)
        answer = client_of(line).list_snomedct_inference_jobs(MaxResults=500)
        assert len(answer[LIST_KEY]) == 500
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == 0


def test_each_source_is_served_with_a_jobs_file_to_the_own_one_alone(tmp_path):
    file = tmp_path / "jobs.json"
    active = {"JobId": "b", "JobStatus": "IN_PROGRESS", "SubmitTime": "2026-11-02T00:00:00Z"}
    file.write_text(json.dumps({"ENTITIES_V2": [active], "PHI": {LIST_KEY: [job(1), job(2)]}}))
    sources = ("--sources", "111122223333/us-east-1,000000000000/eu-west-1", "--tame", "all")
    for arguments, jobs in (((), "730"), (("--jobs", str(file)), "3")):
        with running(*sources, *arguments) as (_, line):
            assert line.endswith(f" ({jobs} jobs)\n")
            found = client_of(line).list_entities_detection_v2_jobs()[LIST_KEY]
    assert [each["JobStatus"] for each in found] == ["IN_PROGRESS"]


@pytest.mark.parametrize(
    "arguments, said",
    [
        ("--tame shufle", "--tame shufle: allowed are all, single_filter, shuffle"),
        ("--outcome LOST", "allowed are COMPLETED"),
        ("--jobs no-such.json", "no-such.json: cannot be read: No such file"),
        ("--sources 111122223333", "111122223333 is not a source"),
        ("--port 70000", "allowed is 0 to 65535"),
    ],
)
def test_a_wrong_argument_is_one_line_that_says_what_is_allowed(
    monkeypatch, capsys, arguments, said
):
    monkeypatch.setattr("sys.argv", ["comprehend_medical", *arguments.split()])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert main() == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n"), said in printed.err) == ("", 1, True)


def test_jobs_are_read_in_every_shape_that_people_have():
    """Times as the CLI prints them, and as the wire carries them."""
    printed = job(1, SubmitTime="2020-05-19T20:38:37.594999+00:00")
    read = {**job(1), "SubmitTime": 1_589_920_717.594}
    for content in ([printed], {LIST_KEY: [printed], "NextToken": "x"}, {"SNOMEDCT": [printed]}):
        assert read_jobs(content) == {Family.SNOMEDCT: [read]}
    of_families = read_jobs({"PHI": {LIST_KEY: [{}]}, "RXNORM": []})
    assert of_families == {Family.PHI: [{}], Family.RXNORM: []}


@pytest.mark.parametrize(
    "content, words",
    [
        ("{", "is not JSON"),
        ("5", "holds a number; allowed is an object with ComprehendMedicalAsyncJobPropertiesList"),
        ('{"SNOMED": []}', "'SNOMED' is not a family; allowed are SNOMEDCT, ICD10CM, RXNORM"),
        ('{"PHI": [{}, 7]}', "PHI[1]: is a number; allowed is an object of job properties"),
        ('{"PHI": [{"JobName": 7}]}', "PHI[0].JobName: is a number; allowed is a string"),
        ('[{"EndTime": "soon"}]', "[0].EndTime: 'soon' is not a time; allowed is an ISO 8601"),
        ('[{"EndTime": 1e99}]', "SNOMEDCT[0].EndTime: 1e+99 is not a time; allowed is an ISO 8601"),
        ('[{"JobId": "a"}, {"JobId": "a"}]', "SNOMEDCT[1].JobId: 'a' is that of SNOMEDCT[0] too"),
    ],
)
def test_an_invalid_jobs_file_gives_one_line_with_place_and_allowed_values(
    tmp_path, content, words
):
    file = tmp_path / "jobs.json"
    file.write_text(content)
    with pytest.raises(JobsFileError) as error:
        comprehend_medical.load_jobs(file)
    said = str(error.value)
    assert (said.startswith(f"{file}: "), words in said, "\n" in said) == (True, True, False)


def test_the_made_up_account_has_every_status_and_every_oddity():
    jobs = sample_jobs(NOW)
    everything = [job for listed in jobs.values() for job in listed]
    assert (set(jobs), sample_jobs(NOW)) == (set(Family), jobs)
    assert len({job["JobId"] for job in everything}) == len(everything) == 2_500
    assert {job["JobStatus"] for job in everything} == {*ENDED, *ACTIVE}
    assert {name for job in everything for name in job} == set(job_shape().members)
    assert set(ODD_NAMES) <= {job.get("JobName") for job in everything}
    for each in everything:
        assert re.fullmatch("[0-9a-f]{32}", each["JobId"])
        assert each["SubmitTime"] > NOW - 120 * 86_400
        assert each.get("ExpirationTime", NOW + 1) > NOW
        assert each["JobStatus"] != "FAILED" or "Message" in each
    for family, listed in jobs.items():
        assert 0 < sum(job["JobStatus"] in ACTIVE for job in listed) < 10
        nightly = "nightly-phi" if family is Family.PHI else "nightly-notes"
        runs = [job for job in listed if job.get("JobName") == nightly]
        # The documents' calls find something: all runs of a name, and one to wait for.
        assert len(runs) > 20
        assert any(job["JobStatus"] in ACTIVE for job in runs)
        folders = [job["OutputDataConfig"]["S3Key"] for job in runs if "OutputDataConfig" in job]
        assert all(folder.startswith("out/") for folder in folders)


def test_made_up_jobs_that_are_active_finish_within_three_minutes():
    clock = Clock(NOW)
    service = Service(sample_jobs(NOW), clock=clock, active_jobs_finish=True)
    counts = []
    for _ in range(19):
        jobs = [job for listed in service.jobs().values() for job in listed]
        counts.append(sum(job["JobStatus"] in ACTIVE for job in jobs))
        clock.tick(10)
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == counts[1] > 10 > counts[-1] == 0
