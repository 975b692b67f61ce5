"""Writes a file that is complete or not there."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that gets its name only when the block ends without an exception.

    Only its owner can read it, because job names can identify patients. Errors name this file, not the temporary one.
    """
    try:
        with _part_of(path) as file:
            yield file
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def _part_of(path: Path) -> Iterator[BinaryIO]:
    import tempfile  # importing it would slow down a shell's completion

    target = path.resolve()
    if target.exists() and not stat.S_ISREG(target.stat().st_mode):
        raise click.ClickException(f"{path} is not a regular file: name another, or use a pipe.")
    handle, name = tempfile.mkstemp(
        prefix=f".{target.name[:100]}.", suffix=".part", dir=target.parent
    )
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
