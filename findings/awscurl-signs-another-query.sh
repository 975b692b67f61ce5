#!/bin/sh
# awscurl signs a query that AWS does not compute when a value is percent-encoded or has an equals sign.
# AWS documents the canonical query: each name and value decoded, encoded once, sorted. awscurl encodes again what is encoded,
# and cuts a value at its first equals sign. The request itself goes out as it was written, so AWS refuses it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install awscurl==0.44
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version
from urllib.parse import parse_qsl, quote, urlencode

from awscurl.awscurl import task_1_create_a_canonical_request

EXPECTED_TO_SIGN = {
    "After=2026-11-01T00:00:00Z": "After=2026-11-01T00%3A00%3A00Z",
    "After=2026-11-01T00%3A00%3A00Z": "After=2026-11-01T00%253A00%253A00Z",  # AWS: %3A
    "Name=a=b": "Name=a",  # AWS: a%3Db
}
print("awscurl", version("awscurl"))
for query, seen in EXPECTED_TO_SIGN.items():
    canonical, *_ = task_1_create_a_canonical_request(
        query, {}, None, "example.amazonaws.com", "20261123T080000Z", "GET", "", None, False, "/jobs"
    )
    signed = canonical.split("\n")[2]
    aws = urlencode(sorted(parse_qsl(query)), quote_via=quote, safe="")
    print(f"sent {query}\n  AWS computes {aws}\n  awscurl signs {signed}")
    assert signed == seen, "awscurl has changed"
PYTHON
