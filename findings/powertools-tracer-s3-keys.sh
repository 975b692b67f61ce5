#!/bin/sh
# Powertools' Tracer puts the keys of S3 objects into traces although it is told to capture neither responses nor errors.
# Powertools documents POWERTOOLS_TRACER_CAPTURE_RESPONSE and POWERTOOLS_TRACER_CAPTURE_ERROR for data that must not appear in
# traces. Its auto-patching uses the X-Ray SDK, whose list of parameters to record has `Key` of GetObject, HeadObject, PutObject …
# whatever these variables say. A key can name a patient.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install aws-lambda-powertools==3.37.0 aws-xray-sdk==2.15.0 boto3==1.44.5
AWS_XRAY_CONTEXT_MISSING=LOG_ERROR POWERTOOLS_TRACER_CAPTURE_RESPONSE=false POWERTOOLS_TRACER_CAPTURE_ERROR=false \
    POWERTOOLS_SERVICE_NAME=reader LAMBDA_TASK_ROOT="$folder" \
    _X_AMZN_TRACE_ID="Root=1-65a1b2c3-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=1" \
    AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1 \
    "$folder/venv/bin/python" - <<'PYTHON'
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

from aws_lambda_powertools import Tracer
from aws_xray_sdk.core import xray_recorder
import boto3


class Object(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


class Kept:
    sent = []

    def send_entity(self, entity):
        self.sent.append(entity.serialize())


server = HTTPServer(("127.0.0.1", 0), Object)
threading.Thread(target=server.serve_forever, daemon=True).start()
tracer = Tracer()
xray_recorder.emitter = Kept()
s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{server.server_port}")


@tracer.capture_lambda_handler
def handler(event, context):
    return s3.get_object(Bucket="notes", Key="ward-7/example-name.txt")["ContentLength"]


class Context:
    function_name = "reader"


handler({}, Context())
server.shutdown()
found = [text for text in Kept.sent if "ward-7/example-name.txt" in text]
for name in ("aws-lambda-powertools", "aws-xray-sdk", "boto3"):
    print(name, version(name))
print("expected: no key of an object in what is sent to X-Ray, with both captures off")
print(f"seen: {len(found)} of {len(Kept.sent)} documents for X-Ray have the key")
assert found, "the key is no longer recorded"
PYTHON
