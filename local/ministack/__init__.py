"""MiniStack as `make local` runs it, in its own environment: with parts of Lambda, CloudWatch and IAM that it lacks.

MiniStack ignores the setting ApplicationLogLevel, with which CDK's framework for custom resources keeps
requests out of its log. A log line in CloudWatch's embedded metric format becomes no metric: here it does, and
alarms see it. And there is no X-Ray daemon: this one writes what the functions send, one JSON document a line,
to the file that TRACES_FILE names. With PERSIST_STATE=1 it also saves the records of DynamoDB streams.

With AUTH=true MiniStack enforces IAM policies. It then lacks three condition keys that the stack's policies
name, and policies that require TLS refuse every request to its plain HTTP endpoint. A caller of an API that is
not allowed gets MiniStack's own error instead of the API's, and one of another account finds no API.
"""

from __future__ import annotations

import functools
import os
import zipfile
from pathlib import Path
from types import SimpleNamespace

from ministack import app
from ministack.core import lambda_runtime
from ministack.services import dynamodb, lambda_svc

from local.ministack.functions import SharedCode, retry_batches, take_turns
from local.ministack.iam import complete_iam
from local.ministack.observability import emitting_metrics, keep_metrics, keep_traces
from local.ministack.streams import keep_streams


def main() -> None:
    """Run MiniStack until it is stopped."""
    complete_iam()
    keep_streams()
    # A query parses its condition for each row of the partition, while nothing else is served.
    dynamodb._tokenize = functools.lru_cache(dynamodb._tokenize)
    dynamodb._condition_syntax_error = functools.lru_cache(dynamodb._condition_syntax_error)
    lambda_svc._execute_function_dispatch = take_turns(lambda_svc._execute_function_dispatch)
    lambda_svc._execute_function = retry_batches(lambda_svc._execute_function)
    lambda_runtime.zipfile = SimpleNamespace(ZipFile=SharedCode, BadZipFile=zipfile.BadZipFile)
    lambda_svc._emit_lambda_logs = emitting_metrics(lambda_svc._emit_lambda_logs, keep_metrics())
    keep_traces(Path(os.environ["TRACES_FILE"]))
    app.main()
