#!/bin/sh
# twine refuses each wheel that hatchling builds with its defaults. hatchling writes core metadata 2.5, which packaging
# accepts; twine replaces packaging's list of versions by one that ends with 2.4. `core-metadata-version = "2.4"` helps.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install twine==6.2.0 packaging==26.4 hatchling==1.33.0
cd "$folder"
mkdir example && touch example/__init__.py
echo "# example" >README.md
cat >pyproject.toml <<'TOML'
[build-system]
requires = ["hatchling==1.33.0"]
build-backend = "hatchling.build"
[project]
name = "example"
version = "1"
description = "An example"
readme = "README.md"
TOML
venv/bin/python -c "import hatchling.build as b; print(b.build_wheel('.'))"
venv/bin/python -c "
import zipfile
from packaging.metadata import Metadata
text = zipfile.ZipFile('example-1-py2.py3-none-any.whl').read('example-1.dist-info/METADATA')
print('packaging accepts', Metadata.from_email(text, validate=True).metadata_version)"
venv/bin/pip --disable-pip-version-check list 2>/dev/null | grep -E "^(twine|packaging|hatchling) "
echo "expected: PASSED"
if said=$(venv/bin/twine check --strict example-1-py2.py3-none-any.whl 2>&1); then
    echo "twine has changed: $said" >&2
    exit 1
fi
echo "seen: $said"
case $said in *"not a"*"valid metadata version"*) ;; *) exit 1 ;; esac
