"""What the local AWS does beyond MiniStack, without MiniStack; the end-to-end tests run both."""

import contextlib
import json
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.ministack.functions import MOST_AT_ONCE, SharedCode, retry_batches, take_turns
from local.ministack.observability import emitting_metrics, metrics_in, without_maths

SECONDS = 10


def test_so_many_environments_of_a_function_run_at_once_and_the_others_wait():
    running = threading.Semaphore(0)
    go_on = threading.Event()
    ended = []

    def dispatch(func, config):
        running.release()
        assert go_on.wait(SECONDS)
        ended.append(config["FunctionArn"])
        return {}

    run = take_turns(dispatch)
    config = {"FunctionArn": "api"}
    calls = [threading.Thread(target=run, args=({}, config)) for _ in range(MOST_AT_ONCE + 3)]
    for call in calls:
        call.start()
    for _ in range(MOST_AT_ONCE):
        assert running.acquire(timeout=SECONDS)
    assert not running.acquire(blocking=False)
    # Another function, which one of these may wait for, has turns of its own.
    other = threading.Thread(target=run, args=({}, {"FunctionArn": "digest"}))
    other.start()
    assert running.acquire(timeout=SECONDS)
    go_on.set()
    for call in [*calls, other]:
        call.join(SECONDS)
    assert sorted(ended) == ["api"] * (MOST_AT_ONCE + 3) + ["digest"]


def test_a_turn_ends_when_the_function_fails():
    def dispatch(func, config):
        raise ZeroDivisionError

    run = take_turns(dispatch)
    for _ in range(MOST_AT_ONCE + 1):
        with pytest.raises(ZeroDivisionError):
            run({}, {"FunctionArn": "api"})


FROM_A_STREAM = {"Records": [{"eventSource": "aws:dynamodb"}]}
FAILED_IN_PART = {"batchItemFailures": [{"itemIdentifier": "1"}]}


@pytest.mark.parametrize(
    "event, answer, again",
    [
        (FROM_A_STREAM, FAILED_IN_PART, True),
        (FROM_A_STREAM, {"batchItemFailures": []}, False),
        (FROM_A_STREAM, None, False),
        ({"Records": [{"eventSource": "aws:sqs"}]}, FAILED_IN_PART, False),
        ({"Records": []}, FAILED_IN_PART, False),
        ("an event that is no object", FAILED_IN_PART, False),
    ],
)
@pytest.mark.parametrize("encode", [json.dumps, lambda answer: json.dumps(answer).encode()])
def test_a_stream_s_batch_that_failed_in_part_counts_as_failed(event, answer, again, encode):
    result = {"body": encode(answer), "log": "kept"}
    ended = retry_batches(lambda func, event: result)({}, event)
    assert ended.get("error", False) is again
    assert ended["log"] == "kept"
    assert again or ended == result


def test_code_is_extracted_once_by_workers_that_start_together(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as code:
        code.writestr("handler.py", "")
    extract, extracted = zipfile.ZipFile.extractall, []
    both = threading.Barrier(2)

    def slowly(self, path):
        extracted.append(path)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.2)
        extract(self, path)

    def start(target):
        target.mkdir()
        with SharedCode(tmp_path / "code.zip") as code:
            code.extractall(target)

    monkeypatch.setattr(zipfile.ZipFile, "extractall", slowly)
    targets = [tmp_path / "first", tmp_path / "second"]
    with ThreadPoolExecutor() as workers:
        list(workers.map(start, targets))
    start(later := tmp_path / "later")
    assert len(extracted) == 1
    assert {(target / "handler.py").resolve() for target in (*targets, later)} == {
        targets[0].resolve() / "handler.py"
    }


def entry(value):
    described = {
        "Namespace": "JobLedger",
        "Dimensions": [["Family"], []],
        "Metrics": [{"Name": "Age", "Unit": "Seconds"}, {"Name": "Jobs"}],
    }
    metrics = {"_aws": {"CloudWatchMetrics": [described]}}
    return json.dumps(metrics | {"Family": "PHI", "Age": value, "Jobs": 1})


def test_each_metric_of_a_log_is_published_for_each_dimension_set():
    log = "\n".join(["START", entry([1, 2]), '{"message": "no metric"}', "END"])
    found = list(metrics_in(log))
    assert {namespace for namespace, _ in found} == {"JobLedger"}
    assert [datum for _, datum in found] == [
        {"MetricName": name, "Unit": unit, "Dimensions": dimensions, "Values": values}
        for dimensions in ([{"Name": "Family", "Value": "PHI"}], [])
        for name, unit, values in (("Age", "Seconds", [1, 2]), ("Jobs", "None", [1]))
    ]


@pytest.mark.parametrize(
    "level, written", [("INFO", entry(1)), ("FATAL", "")], ids=["info", "fatal"]
)
@pytest.mark.parametrize("nested", [True, False])
def test_metrics_are_kept_at_any_level_and_records_below_fatal(level, written, nested):
    logs: list[str] = []
    kept: list[str] = []
    emit = emitting_metrics(lambda func, request_id, log, *_: logs.append(log), kept.append, ())
    config = {"LoggingConfig": {"ApplicationLogLevel": level}}
    emit({"config": config} if nested else config, "1", entry(1), False, 3)
    assert logs == [written]
    assert kept == [entry(1)]


@pytest.mark.parametrize("groups, written", [(["of-it"], ["a line"]), (["another"], [])])
def test_a_call_that_ends_late_creates_no_log_group_anew(groups, written):
    logs: list[str] = []
    emit = emitting_metrics(lambda func, request_id, log, *_: logs.append(log), print, groups)
    emit({"LoggingConfig": {"LogGroup": "of-it"}}, "1", "a line", False, 3)
    assert logs == written


def test_an_alarm_of_an_expression_is_one_of_its_first_metric():
    metric = {"MetricName": "Errors", "Namespace": "AWS/Lambda", "Dimensions": []}
    given = {
        "Threshold": 1,
        "Metrics": [
            {"Id": "sum", "Expression": "FILL(m0, 0)"},
            {"Id": "m0", "MetricStat": {"Metric": metric, "Period": 300, "Stat": "Sum"}},
        ],
    }
    record = without_maths(lambda name, properties: {"AlarmName": name, **properties})
    plain = {"Threshold": 1, "Period": 300, "Statistic": "Sum", **metric}
    assert record("a", given) == {"AlarmName": "a", **plain}
    assert record("a", plain) == {"AlarmName": "a", **plain}
