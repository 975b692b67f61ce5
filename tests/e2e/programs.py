"""Programs as a user runs them: documented commands, `jobledger`, the CDK CLI."""

import re
from collections.abc import Mapping
from pathlib import Path

from testing.processes import ROOT, run

JOBLEDGER = str(ROOT / ".venv" / "bin" / "jobledger")


def printed(*command: str, variables: Mapping[str, str], cwd: Path | str = "/") -> str:
    """What a program prints, with these environment variables alone; it has to succeed."""
    done = run(*command, env=variables, cwd=cwd, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def documented(document: str, language: str, section: str = "") -> list[str]:
    """The blocks of code in this language of a document, from the title of a section on."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text[text.index(section) :], re.DOTALL)
