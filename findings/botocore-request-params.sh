#!/bin/sh
# botocore's AWSRequest with `params=` signs a space as %20 and sends it as +.
# In AWS's canonical query a plus in the query is %2B, so the signature is that of another value and AWS refuses the request.
# Put an encoded query into the URL instead: urlencode(…, quote_via=quote).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install botocore==1.44.8
"$folder/venv/bin/python" - <<'PYTHON'
from urllib.parse import urlsplit

import botocore
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

request = AWSRequest("GET", "https://example.amazonaws.com/jobs", params={"JobName": "nightly notes"})
signer = SigV4Auth(Credentials("key", "secret"), "execute-api", "us-east-1")
signer.add_auth(request)
signed = signer.canonical_request(request).split("\n")[2]
sent = urlsplit(request.prepare().url).query
print("botocore", botocore.__version__)
print(f"expected: signed and sent are the same value\nseen: signed {signed}, sent {sent}")
assert (signed, sent) == ("JobName=nightly%20notes", "JobName=nightly+notes"), "botocore has changed"
PYTHON
