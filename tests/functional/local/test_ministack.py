"""What the local AWS replaces in MiniStack does the same, in MiniStack's own environment."""

from local.deployment import MINISTACK
from testing.processes import ROOT, run

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


def test_a_call_has_the_lines_of_its_log_however_late_they_are_read():
    code = f"import sys; sys.path.append({str(ROOT)!r})\n{READ_LOG}"
    done = run(MINISTACK, "-P", "-c", code)
    assert done.returncode == 0, done.stderr[-2000:]
