"""Virtual environments that know whether they are complete. For `local.toolchain`; standard library only.

An environment counts as there only when its state file says so, which is written last: one whose
installation was interrupted, or whose interpreter or requirement files have changed, is made anew.
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
    """What the user reads when a step of the setup fails."""


def say(message: str) -> None:
    print(f"[{time.monotonic() - STARTED:5.1f} s] {message}", flush=True)


def run(name: str, command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> None:
    """Run a command whose output is of interest only when it fails."""
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
    """Replace a file in one step, so that it is never seen half written."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text)
    temporary.replace(path)


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and the requirement files of each part that can be in it."""

    path: Path
    parts: Mapping[str, Sequence[Path]]

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
        """The parts that are installed, with their fingerprints; None: it has to be made anew."""
        try:
            state = json.loads(self.state_file.read_text())
        except (OSError, ValueError):
            return None
        parts: dict[str, str] = state["parts"]
        if state["interpreter"] != INTERPRETER or not self.python.exists():
            return None
        if any(p not in self.parts or self.fingerprint(p) != seen for p, seen in parts.items()):
            return None
        return parts

    def missing(self, wanted: Sequence[str]) -> list[str]:
        installed = self.installed() or {}
        return [part for part in wanted if part not in installed]

    def make(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        # One pip serves all environments, and making it is most of the work.
        without = [] if self.path == VENV else ["--without-pip"]
        run(self.path.name, [sys.executable, "-m", "venv", *without, self.path])
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
        write(self.state_file, json.dumps({"interpreter": INTERPRETER, "parts": dict(parts)}))


def pip(environment: Environment) -> list[str | Path]:
    target = [] if environment.path == VENV else ["--python", str(environment.python)]
    # Bytecode of the thousands of modules that nobody imports would take longer than all the rest.
    options = ["--quiet", "--no-input", "--no-compile", "--disable-pip-version-check"]
    return [VENV / "bin" / "python", "-m", "pip", *target, "install", *options]


def pip_environment() -> dict[str, str]:
    """The user's own settings (index, proxy, certificates), less what would install elsewhere."""
    elsewhere = {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONPATH", "PYTHONHOME"}
    return {k: v for k, v in os.environ.items() if k not in elsewhere} | {"PIP_USER": "0"}
