#!/bin/sh
# botocore's URLLib3Session returns a body that ended before its Content-Length as a whole one; urllib3 itself raises.
# A program that sends signed requests with it must compare the length, as the client does (job_ledger/http.py).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install botocore==1.44.5 urllib3==2.8.0
"$folder/venv/bin/python" - <<'PYTHON'
import http.server
import threading

import botocore
import urllib3
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session


class Short(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"0123456789")
        self.close_connection = True

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Short)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"
print("botocore", botocore.__version__, "urllib3", urllib3.__version__)
try:
    urllib3.PoolManager().request("GET", url)
    directly = "an answer"
except urllib3.exceptions.HTTPError as error:
    directly = type(error).__name__
seen = len(URLLib3Session().send(AWSRequest("GET", url).prepare()).content)
print(f"expected: an error, as urllib3 alone ({directly})\nseen: {seen} of 100 bytes as an answer with status 200")
assert (directly, seen) == ("MaxRetryError", 10), "botocore or urllib3 has changed"
PYTHON
