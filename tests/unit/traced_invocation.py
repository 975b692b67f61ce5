"""One invocation as in Lambda, with the real X-Ray SDK: a step that succeeds, one that fails, then the handler."""

from types import SimpleNamespace

from jobledger.observability import observed, step

SECRET = "a patient's name"


@observed
def handler(event, context):
    with step("SyncFamily", Family="PHI") as put:
        put("Jobs", 3)
        try:
            with step("SyncPage"):
                raise KeyError(SECRET)
        except KeyError:
            pass
    raise ValueError(SECRET)


if __name__ == "__main__":
    context = SimpleNamespace(
        function_name="f", memory_limit_in_mb=1, invoked_function_arn="f", aws_request_id="1"
    )
    handler({}, context)
