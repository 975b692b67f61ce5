"""Real boto3 against the stand-in: every operation, its input checks, its errors, its lifecycle."""

import json
import re

import pytest
from botocore.exceptions import ClientError
from botocore.model import StringShape

from local.comprehend_medical import Family, Hostility, Server, Service, ServiceError
from local.comprehend_medical.families import OPERATIONS, Verb
from local.comprehend_medical.model import job_shape, matches
from local.comprehend_medical.sample import ODD_NAMES
from tests.contract.shapes import LIST_KEY, MINIMAL, Clock, call, client_for, job, request

DAY = 86_400


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(clock):
    with Server(hostility=Hostility.none(), clock=clock) as server:
        yield server


@pytest.fixture
def client(server):
    return client_for(server.endpoint)


def described(client, family, started):
    """Return a job as Describe has it."""
    answer = call(client, Verb.DESCRIBE, family, **started)
    return answer["ComprehendMedicalAsyncJobProperties"]


@pytest.mark.parametrize("family", Family)
def test_a_job_lives_from_start_to_end_or_is_first_asked_to_stop_in_every_family(
    server, client, clock, family
):
    everything = MINIMAL | {"JobName": "nightly - 夜", "KMSKey": "alias/notes"}
    started = call(client, Verb.START, family, **everything)
    history = []
    for seconds in (0, 2.9, 0.1, 9.9, 0.1):
        clock.tick(seconds)
        found = described(client, family, started)
        history.append(found["JobStatus"])
        assert call(client, Verb.LIST, family) == {LIST_KEY: [found]}
    assert history == ["SUBMITTED", "SUBMITTED", "IN_PROGRESS", "IN_PROGRESS", "COMPLETED"]
    times = [found[name].timestamp() for name in ("SubmitTime", "EndTime", "ExpirationTime")]
    assert times == [1_793_000_000.5, 1_793_000_013.5, 1_793_000_000 + 120 * DAY]
    echoed = {name: found[name] for name in everything}
    folder = echoed["OutputDataConfig"].pop("S3Key")
    assert re.fullmatch(rf"111122223333-.*-{started['JobId']}/", folder)
    assert echoed == everything
    started, history = call(client, Verb.START, family, **MINIMAL), []
    for seconds in (0, 1.9, 0.1, 60):
        clock.tick(seconds)
        # To stop it again has no effect, and is no error unless it may refuse.
        assert call(client, Verb.STOP, family, **started) == started
        history.append(described(client, family, started)["JobStatus"])
    assert history == ["STOP_REQUESTED", "STOP_REQUESTED", "STOPPED", "STOPPED"]
    server.change(stop_refusals=True)
    with pytest.raises(client.exceptions.InvalidRequestException):
        call(client, Verb.STOP, family, **started)


@pytest.mark.parametrize(
    "setting, name, outcome, reason",
    [
        ("COMPLETED", "notes", "COMPLETED", set()),
        ("PARTIAL_SUCCESS", "notes", "PARTIAL_SUCCESS", {"ManifestFilePath"}),
        ("FAILED", "notes", "FAILED", {"Message"}),
        ("COMPLETED", "will-fail-1", "FAILED", {"Message"}),
    ],
)
def test_a_job_ends_as_was_set_when_it_started(
    server, client, clock, setting, name, outcome, reason
):
    server.change(outcome=setting)
    started = call(client, Verb.START, Family.PHI, **MINIMAL, JobName=name)
    server.change(outcome="COMPLETED")
    clock.tick(13)
    found = described(client, Family.PHI, started)
    shown = found.keys() & {"ManifestFilePath", "Message"}
    assert (found["JobStatus"], shown) == (outcome, reason)


def test_the_same_client_request_token_starts_one_job(server, client):
    wanted = MINIMAL | {"ClientRequestToken": "once"}
    first = call(client, Verb.START, Family.PHI, **wanted)
    assert call(client, Verb.START, Family.PHI, **wanted) == first
    assert call(client, Verb.START, Family.RXNORM, **wanted) != first, "each family on its own"
    assert server.count() == 2
    with pytest.raises(client.exceptions.InvalidRequestException):
        call(client, Verb.START, Family.PHI, **wanted, JobName="something else")


def test_an_eleventh_active_job_of_a_family_is_refused(client, clock):
    for _ in range(10):
        call(client, Verb.START, Family.PHI, **MINIMAL)
    with pytest.raises(client.exceptions.TooManyRequestsException):
        call(client, Verb.START, Family.PHI, **MINIMAL)
    call(client, Verb.START, Family.RXNORM, **MINIMAL)
    clock.tick(13)
    call(client, Verb.START, Family.PHI, **MINIMAL)


LIST, DESCRIBE = "ListSNOMEDCTInferenceJobs", "DescribeSNOMEDCTInferenceJob"
START, STOP = "StartSNOMEDCTInferenceJob", "StopSNOMEDCTInferenceJob"


@pytest.mark.parametrize(
    "operation, wanted, code, words",
    [
        (LIST, {"MaxResults": 0}, "InvalidRequest", "greater than or equal to 1"),
        (LIST, {"MaxResults": 501}, "InvalidRequest", "less than or equal to 500"),
        (LIST, {"MaxResults": "5"}, "Serialization", "maxResults"),
        (LIST, {"NextToken": ""}, "InvalidRequest", "length greater than or equal to 1"),
        (LIST, {"NextToken": "made up"}, "InvalidRequest", "not valid"),
        (LIST, {"Filter": []}, "Serialization", "filter"),
        (LIST, {"Filter": {"JobStatus": "BOGUS"}}, "Validation", "[SUBMITTED, IN_PROGRESS"),
        (LIST, {"Filter": {"JobName": "n" * 257}}, "Validation", "less than or equal to 256"),
        (LIST, {"Filter": {"JobName": "a\nb"}}, "Validation", "pattern"),
        (LIST, {"Filter": {"SubmitTimeAfter": "2026"}}, "Serialization", "submitTimeAfter"),
        (STOP, {}, "InvalidRequest", "'jobId' failed to satisfy constraint: Member must not be"),
        (STOP, {"JobId": "a" * 33}, "InvalidRequest", "less than or equal to 32"),
        (STOP, {"JobId": "a" * 32}, "ResourceNotFound", "not found"),
        (DESCRIBE, {"JobId": "a#b"}, "InvalidRequest", "pattern"),
        (DESCRIBE, {"JobId": "a" * 32}, "ResourceNotFound", "not found"),
        (START, {}, "InvalidRequest", "4 validation errors"),
        (START, MINIMAL | {"LanguageCode": "de"}, "InvalidRequest", "[en]"),
        (START, MINIMAL | {"InputDataConfig": {}}, "InvalidRequest", "inputDataConfig.s3Bucket"),
        (START, MINIMAL | {"InputDataConfig": {"S3Bucket": "A-B"}}, "InvalidRequest", "pattern"),
        (START, MINIMAL | {"JobName": "🙂"}, "InvalidRequest", "pattern"),
        # What no SDK sends.
        (LIST, b"{", "Serialization", "not valid JSON"),
        (LIST, b"\xff", "Serialization", "not valid JSON"),
        (LIST, [], "Serialization", "not a JSON object"),
        ("ListNothing", {}, "UnknownOperation", "ListNothing is not implemented"),
    ],
)
def test_input_is_checked_by_the_model_and_refused_with_a_modelled_error(
    operation, wanted, code, words
):
    with pytest.raises(ServiceError) as refused:
        Service().call(operation, wanted if isinstance(wanted, bytes) else json.dumps(wanted))
    assert refused.value.code == f"{code}Exception"
    assert words in refused.value.message


@pytest.mark.parametrize("name", [*ODD_NAMES, "a", "_.:/=+-%@", "٣", "\u2007"])
def test_a_legal_job_name_comes_back_as_it_was_and_can_be_filtered_by(client, name):
    call(client, Verb.START, Family.RXNORM, **MINIMAL, JobName=name)
    found = call(client, Verb.LIST, Family.RXNORM, Filter={"JobName": name})[LIST_KEY]
    assert [job["JobName"] for job in found] == [name]


def test_an_illegal_job_name_is_known_as_one():
    shape = job_shape().members["JobName"]
    assert isinstance(shape, StringShape)
    for name in ("a\n", "\n", "a\tb", "a#b", "a,b", "🙂", "a\u200bb", "\ue001", "e\u0301"):
        assert not matches(shape.metadata["pattern"], name)


@pytest.mark.parametrize(
    "operation, code, status",
    [
        ("ListPHIDetectionJobs", "InvalidRequestException", 400),
        ("ListPHIDetectionJobs", "TooManyRequestsException", 429),
        ("ListPHIDetectionJobs", "ServiceUnavailableException", 503),
        ("ListPHIDetectionJobs", "ThrottlingException", 400),
        ("DescribePHIDetectionJob", "ResourceNotFoundException", 404),
        # Of no operation's model.
        ("ListPHIDetectionJobs", "AccessDeniedException", 400),
    ],
)
def test_an_error_has_the_code_and_the_status_of_the_model(server, client, operation, code, status):
    server.fault(Operation=operation, Error=code, Message="not you")
    verb = OPERATIONS[operation].verb
    with pytest.raises(ClientError) as refused:
        call(client, verb, Family.PHI, **({} if verb is Verb.LIST else {"JobId": "a"}))
    error = {"Code": code, "Message": "not you"}
    assert refused.value.response["Error"] == error
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_another_service_s_target_is_unknown_and_no_body_is_an_empty_one(server):
    for prefix, status in (("Other_20181030", 400), ("ComprehendMedical_20181030", 200)):
        target = {"X-Amz-Target": f"{prefix}.ListPHIDetectionJobs"}
        assert request(server, "POST", "/", b"", **target)[0].status == status


def test_times_travel_as_epoch_seconds_cut_to_milliseconds():
    service = Service(hostility=Hostility.none(), clock=Clock(1_589_920_717.594_999))
    service.call(START, json.dumps(MINIMAL))
    assert '"SubmitTime": 1589920717.594,' in service.call(LIST, "{}")


def test_a_status_or_property_of_tomorrow_passes_through(server):
    strange = job(1, JobStatus="PAUSED", Region="us-east-1", Cost={"Units": 3})
    server.put_jobs({Family.PHI: [strange, {"JobId": "bare"}, {"JobName": "without id"}]})
    assert server.jobs()[Family.PHI] == [{"JobId": "bare"}, {"JobName": "without id"}, strange]
    assert len(json.loads(server.call("ListPHIDetectionJobs", "{}"))[LIST_KEY]) == 3
