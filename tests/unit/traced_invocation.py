"""One invocation as in Lambda, with the real X-Ray SDK: steps, a call of another function, a read of S3, and a failure."""

from contextlib import suppress
from types import SimpleNamespace

from jobledger.invoke import Function
from jobledger.observability import observed, step
from jobledger.outputs.store import Store

SECRET = "a patient's name"


@observed
def handler(event, context):
    with step("SyncFamily", Family="PHI") as put:
        put("Jobs", 3)
        with suppress(KeyError), step("SyncPage"):
            raise KeyError(SECRET)
    Function.connect("other")({})
    Store.connect().read("bucket", SECRET, 2)
    raise ValueError(SECRET)


if __name__ == "__main__":
    context = SimpleNamespace(
        function_name="f", memory_limit_in_mb=1, invoked_function_arn="f", aws_request_id="1"
    )
    handler({}, context)
