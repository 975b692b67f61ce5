"""Programs as a user runs them: documented commands, `jobledger`, the CDK CLI."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from local.options import ROOT

JOBLEDGER = str(ROOT / ".venv" / "bin" / "jobledger")


def run(
    *command: str, variables: Mapping[str, str], cwd: Path | str = "/"
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with these environment variables alone."""
    return subprocess.run(
        command,
        env=variables,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=180,
        check=False,
    )


def printed(*command: str, variables: Mapping[str, str], cwd: Path | str = "/") -> str:
    """What a program prints that has to succeed."""
    done = run(*command, variables=variables, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def documented(document: str, language: str, section: str = "") -> list[str]:
    """The blocks of code in this language of a document, from the title of a section on."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text[text.index(section) :], re.DOTALL)
