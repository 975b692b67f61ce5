"""Programs in processes of their own, and Python in one that a test's process would disturb: forks, sizes, imports."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def run(*command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever its exit status; what it prints is text."""
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, encoding="utf-8", check=False, **options)


def run_python(code: str, *arguments: object, **environment: str) -> str:
    """Return what a program prints. It finds the functions' code and the tests' own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'lambda'}", **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
