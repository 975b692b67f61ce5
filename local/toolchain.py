"""Installs what the make targets need and is missing or outdated.

`local/setup.sh` runs it with the interpreter that it found: `python -m local.toolchain PART…`, where a part
is `app`, `dev`, `node`, `ministack`, `awscli`, `clients`, `audit`, `mutants` or `runtime`.
Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import platform
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from shlex import quote

from local import node
from local.environments import LOGS, ROOT, RUNNING, VENV, Environment, SetupError, say, write
from stacks.packaging.target import LAMBDA_PYTHON, interpreter_for

MAIN = Environment(
    VENV,
    {
        "app": [
            ROOT / "requirements.txt",
            ROOT / "lambda" / "requirements.txt",
            ROOT / "local" / "requirements.txt",
        ],
        "dev": [ROOT / "requirements-dev.txt"],
        "wheel": [ROOT / "local" / "node-requirements.txt"],
    },
)
# -P: Python must not import modules from the current directory.
COMMAND = """#!/bin/sh
PYTHONPATH={root}${{PYTHONPATH:+:$PYTHONPATH}} exec {python} -P -m job_ledger "$@"
"""
# Programs with their own dependencies, some in other versions than ours.
OTHERS = {
    name: Environment(ROOT / f".venv-{name}", {name: [ROOT / f"local/{name}-requirements.txt"]})
    for name in ("ministack", "awscli", "clients", "audit", "mutants")
}
# For the unit tests on Lambda's version of Python, where this machine has it and .venv has another one.
RUNTIME = {"runtime": [ROOT / "lambda/requirements.txt", ROOT / "local/runtime-requirements.txt"]}


def set_up(wanted: list[str]) -> None:
    with_node = "node" in wanted or "clients" in wanted
    machines = node.on_this_machine() if with_node else None
    parts = [part for part in wanted if part in ("app", "dev")]
    if with_node and machines is None:
        parts.append("wheel")
    missing = MAIN.missing(parts)
    if MAIN.installed() is None:
        say(f"making .venv with Python {platform.python_version()} ({sys.executable})")
        MAIN.make()
        write(VENV / ".made-by", f"{sys.executable}\n")

    def main() -> None:
        if missing:
            say(f"installing into .venv: {', '.join(missing)}")
            MAIN.install(missing)
            say(".venv is ready")

    def cdk() -> None:
        if machines:
            node.install_cdk(machines)

    link_command()
    others = [OTHERS[name] for name in wanted if name in OTHERS and OTHERS[name].missing([name])]
    if "runtime" in wanted and (runtime := runtime_environment()) and runtime.missing(["runtime"]):
        others.append(runtime)
    in_parallel([main, cdk, *(lambda other=other: set_up_other(other) for other in others)])
    if with_node:
        chosen = machines or node.from_wheel()
        if "clients" in wanted:
            node.install_clients(chosen)
        node.install_cdk(chosen)
        node.link(chosen)


def runtime_environment() -> Environment | None:
    """Return the environment with Lambda's version of Python; None if this machine lacks it, or runs it already."""
    if platform.python_version().startswith(f"{LAMBDA_PYTHON}."):
        return None
    base = interpreter_for(LAMBDA_PYTHON)
    return Environment(ROOT / ".venv-runtime", RUNTIME, base) if base else None


def link_command() -> None:
    """Write `.venv/bin/jobledger`, which runs the command from this clone."""
    launcher = VENV / "bin" / "jobledger"
    script = COMMAND.format(root=quote(str(ROOT)), python=quote(str(MAIN.python)))
    if not launcher.exists() or launcher.read_text() != script:
        write(launcher, script)
        launcher.chmod(0o755)


def set_up_other(environment: Environment) -> None:
    say(f"installing into {environment.path.name}")
    environment.make()
    environment.install(list(environment.parts))
    say(f"{environment.path.name} is ready")


def in_parallel(tasks: list[Callable[[], None]]) -> None:
    with ThreadPoolExecutor() as pool:
        for running in [pool.submit(task) for task in tasks]:
            running.result()


def stop(number: int, _frame: object) -> None:
    """End immediately, with pip and npm; a partial installation does not count as installed."""
    for process in RUNNING:
        process.terminate()
    os._exit(128 + number)


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    LOGS.mkdir(exist_ok=True)
    # Concurrent makes must not install into the same directory.
    with (LOGS / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("waiting for the set-up of another make in this clone")
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            set_up(sys.argv[1:])
        except SetupError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
