#!/bin/sh
# requests-auth-aws-sigv4 signs the last of several parameters with one name; all of them are sent.
# AWS's canonical query has every parameter, sorted by name, then value, so AWS refuses the request.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install requests-auth-aws-sigv4==0.7 requests==2.34.2
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import logging
from importlib.metadata import version

import requests
from requests_auth_aws_sigv4 import AWSSigV4

class Kept(logging.Handler):
    text = ""
    def emit(self, record):
        if record.msg.startswith("Canonical Request"):
            Kept.text = record.getMessage()

logging.getLogger("requests_auth_aws_sigv4").setLevel("DEBUG")
logging.getLogger("requests_auth_aws_sigv4").addHandler(Kept())
auth = AWSSigV4("execute-api", region="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
query = "JobStatus=COMPLETED&JobStatus=FAILED"
sent = requests.Request("GET", f"https://example.amazonaws.com/jobs?{query}", auth=auth).prepare().url.partition("?")[2]
signed = Kept.text.split("\n")[2]
print("requests-auth-aws-sigv4", version("requests-auth-aws-sigv4"))
print(f"expected: {query} is signed\nseen: sent {sent}, signed {signed}")
assert (sent, signed) == (query, "JobStatus=FAILED"), "requests-auth-aws-sigv4 has changed"
PYTHON
