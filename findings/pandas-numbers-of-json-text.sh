#!/bin/sh
# pandas' read_json makes numbers of JSON strings that look like numbers, so identifiers are lost.
# JSON says which values are numbers. The id 1e40… becomes infinity and 007 becomes 7; `dtype=False` keeps them.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install pandas==3.1.1
"$folder/venv/bin/python" - <<'PYTHON'
import io

import pandas

ids = ["1e400000000000000000000000000000", "007"]
lines = "".join(f'{{"JobId": "{each}"}}\n' for each in ids)
seen = pandas.read_json(io.StringIO(lines), lines=True)["JobId"].tolist()
kept = pandas.read_json(io.StringIO(lines), lines=True, dtype=False)["JobId"].tolist()
print("pandas", pandas.__version__)
print(f"expected {ids}\nseen {seen}; with dtype=False {kept}")
assert seen == [float("inf"), 7.0], "pandas has changed"
assert kept == ids
PYTHON
