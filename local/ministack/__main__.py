"""MiniStack, with what `local.ministack` adds to it."""

from __future__ import annotations

import functools
import os
import zipfile
from pathlib import Path
from types import SimpleNamespace

from ministack import app
from ministack.core import lambda_runtime
from ministack.services import cloudwatch, cloudwatch_logs, dynamodb, lambda_svc, sns
from ministack.services.cloudformation import provisioners

from local.ministack.comprehend_medical import authorize_calls
from local.ministack.functions import SharedCode, retry_batches, take_turns
from local.ministack.iam import complete_iam
from local.ministack.logs import marking_ends, read_to_end
from local.ministack.mail import keep_mail
from local.ministack.observability import (
    by_dimensions,
    emitting_metrics,
    keep_metrics,
    keep_traces,
    sampling_all,
    without_maths,
)
from local.ministack.streams import keep_streams

if __name__ == "__main__":
    complete_iam()
    app._dispatch_service_request = authorize_calls(app._dispatch_service_request)
    keep_streams()
    # MiniStack parses a condition again for each row: 71 ms for a query of 2,500 rows, 19 ms with these two.
    dynamodb._tokenize = functools.lru_cache(dynamodb._tokenize)
    dynamodb._condition_syntax_error = functools.lru_cache(dynamodb._condition_syntax_error)
    lambda_svc._execute_function_dispatch = take_turns(lambda_svc._execute_function_dispatch)
    lambda_svc._execute_function = retry_batches(lambda_svc._execute_function)
    lambda_runtime.zipfile = SimpleNamespace(ZipFile=SharedCode, BadZipFile=zipfile.BadZipFile)
    lambda_runtime._PYTHON_WORKER_SCRIPT = marking_ends(lambda_runtime._PYTHON_WORKER_SCRIPT)
    lambda_runtime.Worker._drain_stderr_bounded = read_to_end(
        lambda_runtime.Worker._drain_stderr_bounded
    )
    lambda_svc._emit_lambda_logs = emitting_metrics(
        lambda_svc._emit_lambda_logs, keep_metrics(), cloudwatch_logs._log_groups
    )
    provisioners._cw_metric_alarm_record = without_maths(provisioners._cw_metric_alarm_record)
    cloudwatch._evaluate_alarm = by_dimensions(cloudwatch._evaluate_alarm)
    lambda_svc._xray_trace_id_for_invocation = sampling_all(
        lambda_svc._xray_trace_id_for_invocation
    )
    keep_traces(Path(os.environ["TRACES_FILE"]))
    sns._fanout = keep_mail(sns._fanout, Path(os.environ["MAIL_DIR"]))
    app.main()
