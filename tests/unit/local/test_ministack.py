"""What the local AWS does beyond MiniStack, without MiniStack; the end-to-end tests run both."""

import contextlib
import json
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.ministack.functions import MOST_AT_ONCE, SharedCode, retry_batches, take_turns
from local.ministack.observability import by_dimensions, emitting_metrics, metrics_in, without_maths

SECONDS = 10


def test_so_many_environments_of_a_function_run_at_once_and_the_others_wait():
    running, go_on = threading.Semaphore(0), threading.Event()

    def dispatch(func, config):
        running.release()
        assert go_on.wait(SECONDS)
        return config

    run, arns = take_turns(dispatch), ["api"] * (MOST_AT_ONCE + 3)
    with ThreadPoolExecutor(len(arns) + 1) as workers:
        calls = [workers.submit(run, {}, {"FunctionArn": arn}) for arn in arns]
        assert all(running.acquire(timeout=SECONDS) for _ in range(MOST_AT_ONCE))
        assert not running.acquire(blocking=False)
        # Another function, which one of these may wait for, has turns of its own.
        other = workers.submit(run, {}, {"FunctionArn": "digest"})
        assert running.acquire(timeout=SECONDS)
        go_on.set()
        ended = [call.result(SECONDS)["FunctionArn"] for call in (*calls, other)]
    assert ended == [*arns, "digest"]


def test_a_turn_ends_when_the_function_fails():
    def dispatch(func, config):
        raise ZeroDivisionError

    run = take_turns(dispatch)
    for _ in range(MOST_AT_ONCE + 1):
        with pytest.raises(ZeroDivisionError):
            run({}, {"FunctionArn": "api"})


def test_a_stream_s_batch_that_failed_in_part_counts_as_failed():
    stream = {"Records": [{"eventSource": "aws:dynamodb"}]}
    queue = {"Records": [{"eventSource": "aws:sqs"}]}
    failed = {"batchItemFailures": [{"itemIdentifier": "1"}]}
    for event, answer, again in (
        (stream, failed, True), (stream, {"batchItemFailures": []}, False), (stream, None, False),
        (queue, failed, False), ({"Records": []}, failed, False), ("an event that is no object", failed, False),
    ):  # fmt: skip
        for body in (json.dumps(answer), json.dumps(answer).encode()):
            result = {"body": body, "log": "kept"}
            ended = retry_batches(lambda func, event, result=result: result)({}, event)
            assert (ended.get("error", False), ended["log"]) == (again, "kept"), event
            assert again or ended == result


def test_code_is_extracted_once_by_workers_that_start_together(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as code:
        code.writestr("handler.py", "")
    extract, extracted, both = zipfile.ZipFile.extractall, [], threading.Barrier(2)

    def slowly(self, path):
        extracted.append(path)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.2)
        extract(self, path)

    def started(name):
        (tmp_path / name).mkdir()
        with SharedCode(tmp_path / "code.zip") as code:
            code.extractall(tmp_path / name)
        return (tmp_path / name / "handler.py").resolve()

    monkeypatch.setattr(zipfile.ZipFile, "extractall", slowly)
    with ThreadPoolExecutor() as workers:
        first, second = workers.map(started, ("first", "second"))
    assert first == second == started("later")
    assert len(extracted) == 1


def entry(value):
    named = [{"Name": "Age", "Unit": "Seconds"}, {"Name": "Jobs"}]
    described = {"Namespace": "JobLedger", "Dimensions": [["Family"], []], "Metrics": named}
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


def emitted(config, line, groups=()):
    """What is written of a log, and what is kept for metrics."""
    logs: list[str] = []
    kept: list[str] = []
    emit = emitting_metrics(lambda func, request_id, log, *_: logs.append(log), kept.append, groups)
    emit(config, "1", line, False, 3)
    return logs, kept


def test_metrics_are_kept_at_any_level_and_records_below_fatal():
    for level, written in (("INFO", entry(1)), ("FATAL", "")):
        config = {"LoggingConfig": {"ApplicationLogLevel": level}}
        for nested in (config, {"config": config}):
            assert emitted(nested, entry(1)) == ([written], [entry(1)])


def test_a_call_that_ends_late_creates_no_log_group_anew():
    config = {"LoggingConfig": {"LogGroup": "of-it"}}
    assert emitted(config, "a line", ["of-it"])[0] == ["a line"]
    assert emitted(config, "a line", ["another"])[0] == []


def test_an_alarm_of_an_expression_is_one_of_its_first_metric():
    metric = {"MetricName": "Errors", "Namespace": "AWS/Lambda", "Dimensions": []}
    stat = {"Metric": metric, "Period": 300, "Stat": "Sum"}
    metrics = [{"Id": "sum", "Expression": "FILL(m0, 0)"}, {"Id": "m0", "MetricStat": stat}]
    given = {"Threshold": 1, "Metrics": metrics}
    record = without_maths(lambda name, properties: {"AlarmName": name, **properties})
    plain = {"Threshold": 1, "Period": 300, "Statistic": "Sum", **metric}
    assert record("a", given) == {"AlarmName": "a", **plain}
    assert record("a", plain) == {"AlarmName": "a", **plain}


# As MiniStack's module of CloudWatch has them.
_metrics = {("AWS/Lambda", "Duration", name): [1.0] for name in ("F=own", "F=other", "")}


def _dims_key(dimensions):
    return "|".join(f"{name}={value}" for name, value in dimensions.items())


def evaluate(alarm):
    alarm["seen"] = [key[2] for key in _metrics]


@pytest.mark.parametrize(
    "dimensions, seen", [([{"Name": "F", "Value": "own"}], ["F=own"]), ([], [""])]
)
def test_an_alarm_is_evaluated_on_the_metric_with_its_dimensions(dimensions, seen):
    assert _dims_key({"F": "own"}) == "F=own"
    alarm = {"Dimensions": dimensions}
    by_dimensions(evaluate)(alarm)
    assert (alarm["seen"], len(_metrics)) == (seen, 3)
