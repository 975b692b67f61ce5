"""What `make local` is given, what it waits for, and what it prints."""

import fcntl
import socket
import subprocess
import sys

import pytest

from local.deployment import clean_environment, reachable_api_url, write_environment
from local.environments import LOGS, ROOT
from local.options import OUTPUT_BUCKETS, read_options
from local.processes import LocalError
from local.session import shown
from local.sources import members_of

FREE = {"AWS_PORT": "0", "COMPREHEND_PORT": "0"}


@pytest.fixture
def listening():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_port_0_takes_free_ports_and_a_given_endpoint_is_used_instead_of_a_stand_in(listening):
    options = read_options([], FREE)
    assert options.comprehend_port
    assert len({0, options.aws_port, options.comprehend_port}) == 3
    assert options.comprehend_endpoint == f"http://127.0.0.1:{options.comprehend_port}"
    endpoint = f"http://127.0.0.1:{listening}"
    options = read_options([], {**FREE, "COMPREHEND_ENDPOINT": endpoint + "/"})
    assert (options.comprehend_endpoint, options.comprehend_port) == (endpoint, None)


def test_cdk_args_are_split_as_a_shell_does_and_an_empty_variable_is_not_given():
    options = read_options([], {**FREE, "JOBS": "", "COMPREHEND_ENDPOINT": "", "CDK_ARGS": ""})
    assert (options.jobs, options.cdk_args) == (None, [])
    options = read_options([], {**FREE, "CDK_ARGS": "-c digestSchedule='rate(1 hour)'"})
    assert options.cdk_args == ["-c", "digestSchedule=rate(1 hour)"]


def test_sources_is_a_number_of_accounts_each_in_two_regions_with_the_own_source_first():
    assert read_options([], {**FREE, "SOURCES": ""}).sources == ()
    options = read_options([], {**FREE, "SOURCES": "3"})
    assert options.sources == (
        "000000000000/us-east-1", "000000000000/eu-west-1",
        "111122223333/us-east-1", "111122223333/eu-west-1",
        "222233334444/us-east-1", "222233334444/eu-west-1",
    )  # fmt: skip
    assert members_of(options.sources) == ["111122223333", "222233334444"]
    assert members_of(read_options(["--sources", "1"], FREE).sources) == []
    most = read_options(["--sources", "9"], FREE).sources
    assert (len(set(most)), {len(source.partition("/")[0]) for source in most}) == (18, {12})


def test_a_shell_has_no_session_token_where_the_local_aws_would_check_it(tmp_path):
    ready = dict.fromkeys(("ApiUrl", "AwsEndpoint", "ComprehendMedicalEndpoint", "Region"), "x")
    for given, line in (
        (ready, "export AWS_SESSION_TOKEN=test\n"),
        (ready | {"Sources": ""}, "export AWS_SESSION_TOKEN=''\n"),
    ):
        write_environment(tmp_path / "env", given)
        assert line in (tmp_path / "env").read_text()


@pytest.mark.parametrize(
    "given, message",
    [
        *(({"SOURCES": wrong}, f"SOURCES={wrong} is not a number of accounts: give 1 to 9")
          for wrong in ("0", "10", "x", "-1", "²")),
        ({"AWS_PORT": "http"}, "AWS_PORT=http is not a port: give a number from 0 to 65535"),
        ({"AWS_PORT": "65536"}, "AWS_PORT=65536 is not a port: give a number from 0 to 65535"),
        ({"JOBS": "no/such.json"}, "JOBS=no/such.json: there is no such file"),
        ({"CDK_ARGS": "-c 'x"}, "CDK_ARGS=-c 'x: No closing quotation"),
        ({"COMPREHEND_ENDPOINT": "localhost:1"},
         "COMPREHEND_ENDPOINT=localhost:1 is not a URL such as http://127.0.0.1:4567"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_in_one_line(given, message):
    with pytest.raises(LocalError) as raised:
        read_options([], {**FREE, **given})
    assert str(raised.value) == message


def test_where_nothing_answers_and_a_taken_port_are_refused_with_the_variable(listening):
    for variable in ("AWS_PORT", "COMPREHEND_PORT"):
        taken = rf"port {listening} is taken: .* make local {variable}="
        with pytest.raises(LocalError, match=taken):
            read_options([], {**FREE, variable: str(listening)})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
        with pytest.raises(LocalError, match="nothing answers there"):
            read_options([], {**FREE, "COMPREHEND_ENDPOINT": f"http://127.0.0.1:{port}"})
    with pytest.raises(LocalError, match="is taken"):
        read_options([], {"AWS_PORT": port, "COMPREHEND_PORT": port})


def test_nothing_of_the_users_own_aws_configuration_is_left():
    own = {"AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "secret", "HOME": "/home/me"}
    environment = clean_environment({**own, "NO_PROXY": "example.org"}, read_options([], FREE))
    assert "secret" not in environment.values()
    assert "AWS_PROFILE" not in environment
    assert environment["HOME"] == "/home/me"
    assert environment["AWS_ACCESS_KEY_ID"] == "test"
    assert environment["NO_PROXY"] == "example.org,127.0.0.1,localhost"


def test_the_api_is_reached_where_ministack_serves_it():
    deployed = "https://abc123.execute-api.us-east-1.amazonaws.com/v1"
    expected = "http://127.0.0.1:4566/restapis/abc123/v1/_user_request_"
    assert reachable_api_url(deployed, "http://127.0.0.1:4566") == expected
    with pytest.raises(LocalError, match="ApiUrl"):
        reachable_api_url("https://example.org/v1", "http://127.0.0.1:4566")


def test_answers_are_indented_and_long_ones_cut():
    for value, text in (
        ("plain text", "plain text"),
        ({"Count": 2}, '{\n  "Count": 2\n}'),
        ([1, 2, 3, 4, 5], '[\n  1,\n  2,\n  3,\n  "… 2 more"\n]'),
        ([{"a": 1}, {"a": 2}], '[\n  {\n    "a": 1\n  },\n  "… 1 more"\n]'),
        ({"NextToken": "x" * 200}, f'{{\n  "NextToken": "{"x" * 60}… (200 characters)"\n}}'),
        ({"JobName": "診療記録"}, '{\n  "JobName": "診療記録"\n}'),
    ):
        assert shown(value) == text


def test_a_second_make_says_that_it_waits_for_the_set_up_of_the_first():
    LOGS.mkdir(exist_ok=True)
    with (LOGS / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen(
            [sys.executable, "-m", "local.toolchain"], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as second:
            assert second.stdout
            assert "waiting for the set-up of another make" in second.stdout.readline()
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert second.wait(60) == 0


def test_outputs_are_read_with_the_stand_in_unless_the_setting_is_given(listening):
    setting = f"outputBuckets={OUTPUT_BUCKETS}"
    given = {"CDK_ARGS": "-c outputBuckets=mine"}
    elsewhere = {"COMPREHEND_ENDPOINT": f"http://127.0.0.1:{listening}"}
    for more, arguments in (
        ({}, ["-c", setting]),
        (given, ["-c", "outputBuckets=mine"]),
        (elsewhere, []),
    ):
        options = read_options([], {**FREE, **more}).reading_outputs()
        assert options.cdk_args == arguments
