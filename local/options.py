"""The options of `make local`: environment variables that make passes on, or equal flags."""

from __future__ import annotations

import argparse
import shlex
import socket
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from local.processes import LocalError
from local.sources import MOST_ACCOUNTS, REGIONS, sources_of

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
# Where the jobs of the sample, of the documents and of the tests write.
OUTPUT_BUCKETS = "clinical-notes-output,codes,my-notes,notes"


@dataclass(frozen=True)
class Options:
    state_dir: Path
    aws_port: int
    comprehend_port: int | None
    """None means: use the server at `comprehend_endpoint` and start no stand-in."""
    comprehend_endpoint: str
    jobs: Path | None
    cdk_args: Sequence[str]
    sources: tuple[str, ...] = ()
    """Every account and region, the deployment's own first; none without SOURCES."""

    def reading_outputs(self) -> Options:
        """Return the options with the setting outputBuckets, if the stand-in writes manifests and it is not given."""
        given = any(argument.startswith("outputBuckets=") for argument in self.cdk_args)
        if given or self.comprehend_port is None:
            return self
        setting = ["-c", f"outputBuckets={OUTPUT_BUCKETS}"]
        return replace(self, cdk_args=[*setting, *self.cdk_args])

    @property
    def aws_endpoint(self) -> str:
        return f"http://{HOST}:{self.aws_port}"


def read_options(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    for name, default, text in (
        ("AWS_PORT", "4566", "port of the local AWS; 0 for a free one"),
        ("COMPREHEND_PORT", "4567", "port of the Comprehend Medical stand-in; 0 for a free one"),
        ("JOBS", "", "file with the jobs that the stand-in starts with"),
        ("COMPREHEND_ENDPOINT", "", "use this server and start no stand-in"),
        ("CDK_ARGS", "", "passed on to cdk deploy"),
        (
            "SOURCES",
            "",
            (
                f"number of accounts (1 to {MOST_ACCOUNTS}), each in {' and '.join(REGIONS)}: 3 makes six"
                " sources, of the deployment's own account and of two members, whose roles it assumes"
            ),
        ),
    ):
        flag = "--" + name.lower().replace("_", "-")
        parser.add_argument(flag, default=environment.get(name) or default, help=text)
    parser.add_argument("--state-dir", default=ROOT / ".local", type=Path, help="logs and state")
    given = parser.parse_args(arguments)
    aws_port = usable_port("AWS_PORT", given.aws_port)
    endpoint, comprehend_port = given.comprehend_endpoint, None
    if endpoint:
        check_reachable(endpoint)
    else:
        comprehend_port = usable_port("COMPREHEND_PORT", given.comprehend_port, besides=aws_port)
        endpoint = f"http://{HOST}:{comprehend_port}"
    return Options(
        state_dir=given.state_dir.resolve(),
        aws_port=aws_port,
        comprehend_port=comprehend_port,
        comprehend_endpoint=endpoint.rstrip("/"),
        jobs=existing_file(given.jobs),
        cdk_args=split(given.cdk_args),
        sources=sources_of(given.sources),
    )


def usable_port(variable: str, text: str, besides: int | None = None) -> int:
    """Return the port after checking that it is free; for 0, return a free port."""
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise LocalError(f"{variable}={text} is not a port: give a number from 0 to 65535")
    port = int(text)
    with socket.socket() as probe:
        # Like servers, ignore closing connections of the last run.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except PermissionError as error:
            raise LocalError(
                f"port {port} is not for this user: choose another {variable}"
            ) from error
        except OSError as error:
            raise taken(variable, port) from error
        port = int(probe.getsockname()[1])
    if port == besides:
        raise taken(variable, port)
    return port


def taken(variable: str, port: int) -> LocalError:
    other = port + 134 if port < 65000 else 4700
    return LocalError(
        f"port {port} is taken: stop what listens there, or choose another:"
        f" make local {variable}={other}"
    )


def check_reachable(endpoint: str) -> None:
    problem = f"COMPREHEND_ENDPOINT={endpoint}"
    try:
        url = urllib.parse.urlsplit(endpoint)
        port = url.port or {"http": 80, "https": 443}[url.scheme]
    except (ValueError, KeyError) as error:
        raise LocalError(f"{problem} is not a URL such as http://127.0.0.1:4567") from error
    try:
        socket.create_connection((url.hostname or "", port), timeout=5).close()
    except OSError as error:
        raise LocalError(f"{problem}: nothing answers there ({error})") from error


def existing_file(name: str) -> Path | None:
    if not name:
        return None
    path = Path(name).expanduser().resolve()
    if not path.is_file():
        raise LocalError(f"JOBS={name}: there is no such file")
    return path


def split(cdk_args: str) -> list[str]:
    try:
        return shlex.split(cdk_args)
    except ValueError as error:
        raise LocalError(f"CDK_ARGS={cdk_args}: {error}") from error
