"""One invocation as in Lambda, with the real X-Ray SDK, that invokes another function."""

from types import SimpleNamespace

from jobledger.invoke import Function
from jobledger.observability import observed


@observed
def handler(event, context):
    return Function.connect("other")({})


if __name__ == "__main__":
    context = SimpleNamespace(
        function_name="f", memory_limit_in_mb=1, invoked_function_arn="f", aws_request_id="1"
    )
    handler({}, context)
