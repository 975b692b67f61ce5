"""What the bench runs: our functions from the built bundle, and the peers; with their environments and events."""

import hashlib
import platform
import shutil
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.certificates import CERTIFICATES, trusted
from bench.events import environment_of
from bench.runtime_api import Function
from stacks.packaging.bundle import Bundle, compile_folder, install_packages, make_bundle
from stacks.packaging.target import Target, interpreter_for

ROOT = Path(__file__).resolve().parents[1]
BUILDS = ROOT / ".local" / "build"
_RUNTIME = ("awslambdaric", "simplejson", "snapshot_restore_py*", "runtime_client*.so")
_PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")


@dataclass(frozen=True)
class Place:
    """Where everything is: the interpreter, the unpacked bundle and the peers' packages."""

    python: str
    version: str
    bundle: Path
    peers: Path
    runtime: Path
    environment: Mapping[str, str]
    tls_environment: Mapping[str, Mapping[str, str]]
    """What changes when a function of ours, or a peer, speaks TLS."""

    def ours(self, name: str, *, tls: bool = False, under: Sequence[str] = ()) -> Function:
        """Start one of our functions, `under` a command that measures it."""
        environment = {**self.environment, **(self.tls_environment["ours"] if tls else {})}
        paths = [self.bundle, self.runtime]
        return Function([*under, self.python], HANDLERS[name], paths, environment)

    def peer(self, name: str, *, tls: bool = False, under: Sequence[str] = ()) -> Function:
        """Start a peer."""
        environment = {**self.environment, **(self.tls_environment["peers"] if tls else {})}
        handler = f"bench.peers.{name}.handler"
        return Function([*under, self.python], handler, [self.peers, ROOT], environment)


HANDLERS = {
    "api": "jobledger.handlers.api.handler",
    "sync": "jobledger.handlers.sync.handler",
    "digest": "jobledger.handlers.digest.handler",
    "changes": "jobledger.handlers.changes.handler",
    "look-up": "jobledger.handlers.lookup.is_complete",
}


def say(line: str) -> None:
    """Report progress."""
    print(f"bench: {line}", file=sys.stderr, flush=True)


def prepare(endpoint: str, tls_endpoint: str) -> Place:
    """Build the bundle and install the peers, for Lambda's Python where this machine has it."""
    version = next(
        version
        for version in ("3.13", f"{sys.version_info.major}.{sys.version_info.minor}")
        if interpreter_for(version)
    )
    python = interpreter_for(version)
    assert python is not None
    target = _target(version)
    bundle = make_bundle(ROOT / "lambda", BUILDS, target)
    unpacked = BUILDS.parent / "bench" / bundle.digest
    if not unpacked.exists():
        with zipfile.ZipFile(bundle.path) as zipped:
            zipped.extractall(unpacked)
    peers = _peers(target, python)
    roots = {
        "ours": unpacked / "botocore" / "amazon-roots.pem",
        "peers": peers / "botocore" / "cacert.pem",
    }
    tls_environment = {
        name: {"AWS_ENDPOINT_URL": tls_endpoint, "AWS_CA_BUNDLE": str(trusted(CERTIFICATES, file))}
        for name, file in roots.items()
    }
    environment = environment_of(endpoint)
    return Place(python, version, unpacked, peers, _runtime(peers), environment, tls_environment)


def lambda_bundle() -> Bundle:
    """Return the bundle that `make deploy` uploads, whose size counts."""
    return make_bundle(ROOT / "lambda", BUILDS, Target.of("lambda"))


def _target(version: str) -> Target:
    """Return this machine with a version of Python, which may be another than this process's."""
    machine = platform.machine()
    options = [f"--platform={name}_{machine}" for name in _PLATFORMS]
    options += ["--implementation=cp", f"--python-version={version}"]
    arm = machine == "aarch64"
    return Target(python=version, machine="arm64" if arm else "x86_64", pip_options=tuple(options))


def _peers(target: Target, python: str) -> Path:
    locked = ROOT / "bench" / "requirements.txt"
    digest = hashlib.sha256(f"{target.identity()} {locked.read_text()}".encode()).hexdigest()
    folder = BUILDS.parent / "bench" / f"peers-{digest}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install_packages(locked, folder, target, say)
        compile_folder(folder, python)
        (folder / "complete").touch()
    return folder


def _runtime(peers: Path) -> Path:
    """Return a folder with Lambda's runtime client only: no peer's package may reach our functions."""
    folder = peers.with_name(f"runtime-{peers.name}")
    folder.mkdir(exist_ok=True)
    for pattern in _RUNTIME:
        for path in peers.glob(pattern):
            link = folder / path.name
            if not link.exists():
                link.symlink_to(path)
    return folder
