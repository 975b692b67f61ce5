#!/bin/sh
# botocore takes a sign-in page, or nothing at all, with status 200 for a success without members.
#
# A proxy that answers in place of AWS is not noticed: a list is empty, and a description has no job.
# Expected: an error, because AWS JSON answers are JSON objects. Fails when botocore's behaviour has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check botocore==1.44.5
cat > "$folder/shown.py" <<'PYTHON'
import http.server
import threading

import botocore
import botocore.session

PAGE = b"<!doctype html><title>Sign in</title>"


class Proxy(http.server.BaseHTTPRequestHandler):
    body = b""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=server.serve_forever, daemon=True).start()
session = botocore.session.Session()


def client(service):
    return session.create_client(
        service,
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


print("botocore", botocore.__version__)
print("expected: an error for each")
for Proxy.body in (b"", PAGE):
    listed = client("comprehendmedical").list_snomedct_inference_jobs()
    described = client("comprehendmedical").describe_snomedct_inference_job(JobId="1")
    found = client("dynamodb").get_item(TableName="t", Key={"PK": {"S": "1"}})
    for answer in (listed, described, found):
        members = sorted(answer.keys() - {"ResponseMetadata"})
        print("seen:", Proxy.body or "an empty body", "is a success with the members", members)
        assert members == []
PYTHON
"$folder/venv/bin/python" "$folder/shown.py"
