#!/bin/sh
# botocore returns a DynamoDB answer that fails its checksum as a success, after its last attempt.
#
# DynamoDB sends the CRC-32 of each answer in `x-amz-crc32`. botocore's standard mode repeats a call whose answer does
# not match, up to four attempts, and then returns the last such answer without an error or a mark.
# Expected: an error. Fails when botocore's behaviour has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check botocore==1.44.5
cat > "$folder/shown.py" <<'PYTHON'
import http.server
import json
import threading
import zlib

import botocore
import botocore.session

SENT = json.dumps({"Items": [{"PK": {"S": "1000"}}], "Count": 1, "ScannedCount": 1}).encode()
ARRIVED = SENT.replace(b"1000", b"9000")
calls = 0


class DynamoDB(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global calls
        calls += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("x-amz-crc32", str(zlib.crc32(SENT)))
        self.send_header("Content-Length", str(len(ARRIVED)))
        self.end_headers()
        self.wfile.write(ARRIVED)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), DynamoDB)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = botocore.session.Session().create_client(
    "dynamodb",
    region_name="us-east-1",
    endpoint_url=f"http://127.0.0.1:{server.server_port}",
    aws_access_key_id="test",
    aws_secret_access_key="test",
)
print("botocore", botocore.__version__, "retries", client.meta.config.retries)
print("expected: an error after the last attempt")
answer = client.query(
    TableName="t", KeyConditionExpression="PK = :k", ExpressionAttributeValues={":k": {"S": "1000"}}
)
print("seen:", calls, "attempts, then the changed answer as a success:", answer["Items"])
assert calls == 4
assert answer["Items"] == [{"PK": {"S": "9000"}}]
assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
PYTHON
"$folder/venv/bin/python" "$folder/shown.py"
