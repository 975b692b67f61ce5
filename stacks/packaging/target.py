"""The Python version and processor of a bundle, and the interpreter that compiles its bytecode."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

LAMBDA_PYTHON = "3.13"
"""The version of Lambda's Python runtime that runs the functions."""

# Wheels that Lambda's python3.13 (Amazon Linux 2023, glibc 2.34) can load.
_LAMBDA_PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")


@dataclass(frozen=True, kw_only=True)
class Target:
    """The platform of a bundle."""

    python: str
    machine: Literal["arm64", "x86_64"]
    pip_options: tuple[str, ...]

    @classmethod
    def of(cls, bundle_for: Literal["lambda", "host"]) -> "Target":
        """Return AWS Lambda on Graviton, or this machine for a local AWS without runtimes of its own."""
        if bundle_for == "host":
            arm = platform.machine().lower() in ("arm64", "aarch64")
            return cls(python=_this_python(), machine="arm64" if arm else "x86_64", pip_options=())
        platforms = (f"--platform={name}_aarch64" for name in _LAMBDA_PLATFORMS)
        options = (*platforms, "--implementation=cp", f"--python-version={LAMBDA_PYTHON}")
        return cls(python=LAMBDA_PYTHON, machine="arm64", pip_options=options)

    def identity(self) -> str:
        """Return the text that distinguishes targets; a host's wheels also depend on its system."""
        system = "" if self.pip_options else f"{sys.platform}-{platform.libc_ver()[0]}"
        return " ".join((self.python, self.machine, system, *self.pip_options))


@cache
def interpreter_for(python: str) -> str | None:
    """Return a working interpreter of that version on this machine, or None.

    Bytecode depends on the Python version, not on the processor.
    """
    return next((path for path in _candidates(python) if _runs(path, python)), None)


def _this_python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _candidates(python: str) -> Iterator[str]:
    if _this_python() == python:
        yield sys.executable
    for folder in os.get_exec_path():
        if found := shutil.which(f"python{python}", path=folder):
            yield found
    homes = (
        Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions",
        Path.home() / ".local/share/uv/python",
    )
    for home in homes:
        yield from map(str, sorted(home.glob(f"*{python}*/bin/python{python}"), reverse=True))


def _runs(path: str, python: str) -> bool:
    """Run the interpreter: a pyenv shim exists for every version, and can fail."""
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run(
            [path, "-I", "-c", question], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.stdout.strip() == python
