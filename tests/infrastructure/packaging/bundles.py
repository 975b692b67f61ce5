"""The target that this machine can run, and what a bundle holds."""

import zipfile
from pathlib import Path

from stacks.packaging.target import Target

HOST = Target.of("host")


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as zipped:
        return zipped.namelist()
