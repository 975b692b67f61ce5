"""Virtual environments that detect incomplete installations. For `local.toolchain`; standard library only.

The state file is written last, and an environment without it does not count. So an environment is created again after
an interrupted installation, and when the interpreter or a requirements file changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".local"
VENV = ROOT / ".venv"
INTERPRETER = f"{platform.python_version()} {platform.machine()} {sys.base_prefix} {ROOT}"
STARTED = time.monotonic()
RUNNING: list[subprocess.Popen[bytes]] = []


class SetupError(Exception):
    """A failed setup step; the text is for the user."""


def say(message: str) -> None:
    print(f"[{time.monotonic() - STARTED:5.1f} s] {message}", flush=True)


def run(name: str, command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> None:
    """Run a command and show its output only when it fails."""
    log = LOGS / f"setup-{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        RUNNING.append(process)
        code = process.wait()
    if code:
        lines = log.read_text(errors="replace").splitlines()[-15:]
        raise SetupError(
            f"the setup of {name} failed (exit code {code}); the whole log is"
            f" {log.relative_to(ROOT)}, its last lines:\n" + "\n".join(f"    {e}" for e in lines)
        )


def write(path: Path, text: str) -> None:
    """Replace a file atomically."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text)
    temporary.replace(path)


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and the requirements files of its parts."""

    path: Path
    parts: Mapping[str, Sequence[Path]]
    base: str | None = None
    """The interpreter that creates it, if not the one that runs now."""

    @property
    def identity(self) -> str:
        """Return what an installed environment depends on besides its requirements."""
        return f"{self.base} {ROOT}" if self.base else INTERPRETER

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    @property
    def state_file(self) -> Path:
        return self.path / ".state.json"

    def fingerprint(self, part: str) -> str:
        contents = [file.read_bytes() for file in self.parts[part]]
        return hashlib.sha256(repr(contents).encode()).hexdigest()

    def installed(self) -> dict[str, str] | None:
        """Return the installed parts with their fingerprints; None if the environment must be created."""
        try:
            state = json.loads(self.state_file.read_text())
        except (OSError, ValueError):
            return None
        parts: dict[str, str] = state["parts"]
        if state["interpreter"] != self.identity or not self.python.exists():
            return None
        if any(p not in self.parts or self.fingerprint(p) != seen for p, seen in parts.items()):
            return None
        return parts

    def missing(self, wanted: Sequence[str]) -> list[str]:
        installed = self.installed() or {}
        return [part for part in wanted if part not in installed]

    def make(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        # One pip serves all environments, because installing it takes most of the time.
        without = [] if self.path == VENV else ["--without-pip"]
        run(self.path.name, [self.base or sys.executable, "-m", "venv", *without, self.path])
        self.save({})

    def install(self, parts: Sequence[str]) -> None:
        if not parts:
            return
        before = self.installed() or {}
        self.state_file.unlink(missing_ok=True)
        files = [word for part in parts for file in self.parts[part] for word in ("-r", file)]
        run(self.path.name, [*pip(self), *files], pip_environment())
        self.save(before | {part: self.fingerprint(part) for part in parts})

    def save(self, parts: Mapping[str, str]) -> None:
        write(self.state_file, json.dumps({"interpreter": self.identity, "parts": dict(parts)}))


def pip(environment: Environment) -> list[str | Path]:
    target = [] if environment.path == VENV else ["--python", str(environment.python)]
    # Compiling thousands of unused modules would take longer than everything else.
    options = ["--quiet", "--no-input", "--no-compile", "--disable-pip-version-check"]
    # Wheels only: a source distribution runs its own code when it is installed.
    options += ["--require-hashes", "--only-binary=:all:"]
    return [VENV / "bin" / "python", "-m", "pip", *target, "install", *options]


def pip_environment() -> dict[str, str]:
    """Return the user's pip settings (index, proxy, certificates), without install locations."""
    elsewhere = {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONPATH", "PYTHONHOME"}
    return {k: v for k, v in os.environ.items() if k not in elsewhere} | {"PIP_USER": "0"}
