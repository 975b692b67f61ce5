"""What the local AWS replaces in MiniStack does the same, in MiniStack's own environment."""

import subprocess

from local.deployment import MINISTACK
from local.environments import ROOT

COMPARE = """
import itertools
from ministack.services.dynamodb import _evaluate_condition as plain
from local.ministack.queries import compare_ranges

def outcome(evaluate, *arguments):
    try:
        return evaluate(*arguments, slot="KeyConditionExpression")
    except ValueError as error:
        return str(error)

texts = ["", "a", "b", "b#", "\\u00e9", "\\uffff", "\\U00010000"]
values = [*({"S": text} for text in texts), {"N": "1"}]
fast, seen = compare_ranges(plain), set()
for low, sort, high in itertools.product(values, repeat=3):
    for partition, missing, expression in itertools.product(
        ({"S": "jobs"}, {"S": "other"}),
        (None, ":key", ":low", ":high"),
        (
            "PK = :key AND SK BETWEEN :low AND :high",
            "PK = :key AND Absent BETWEEN :low AND :high",
            "PK = :key AND begins_with(SK, :low)",
            "Name = :key AND SK BETWEEN :low AND :high",
            "PK = :key",
        ),
    ):
        row = {"PK": partition, "SK": sort, "Name": partition}
        given = {":key": {"S": "jobs"}, ":low": low, ":high": high}
        given.pop(missing, None)
        found = outcome(fast, expression, row, given, {})
        assert found == outcome(plain, expression, row, given, {}), (expression, row, given)
        seen.add(found)
print(len(seen))
"""

READ_LOG = """
import io, time, zipfile
from ministack.core import lambda_runtime
from ministack.core.lambda_runtime import Worker
from local.ministack.logs import marking_ends, read_to_end

code = io.BytesIO()
with zipfile.ZipFile(code, "w") as archive:
    archive.writestr("function.py", "def handler(event, context):\\n    for line in event: print(line)")

def reading_late(worker, read=Worker._read_stderr):
    time.sleep(0.5)
    read(worker)

Worker._read_stderr = reading_late
Worker._drain_stderr_bounded = read_to_end(Worker._drain_stderr_bounded)
lambda_runtime._PYTHON_WORKER_SCRIPT = marking_ends(lambda_runtime._PYTHON_WORKER_SCRIPT)
config = {
    "Runtime": "python3.13",
    "Handler": "function.handler",
    "FunctionName": "f",
    "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
}
worker = Worker("f", config, code.getvalue())
for lines in (["late", "later"], [], ["next"]):
    answer = worker.invoke(lines, "a-request")
    assert answer["log"] == "\\n".join(lines), answer
worker.kill()
"""


def run_in_ministack(code):
    command = [str(MINISTACK), "-P", "-c", f"import sys; sys.path.append({str(ROOT)!r})\n{code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_range_of_keys_holds_what_it_holds_in_ministack():
    assert int(run_in_ministack(COMPARE)) > 3, "true, false and errors have been seen"


def test_a_call_has_the_lines_of_its_log_however_late_they_are_read():
    run_in_ministack(READ_LOG)
