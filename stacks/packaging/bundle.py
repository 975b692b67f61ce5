"""The Lambda code asset: our code, its locked dependencies, and bytecode, in one reproducible zip.

Made by pip on this machine, without Docker, and kept under a name that is the hash of all that went
into it: a second synth finds it and runs nothing. `/var/task` is read-only, so bytecode that is
missing or stale would be compiled anew in every cold start (400 ms).
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stacks.packaging.slim import slim
from stacks.packaging.target import Target, interpreter_for

_FOLDER = Path(__file__).resolve().parent
_RECIPE = ("bundle.py", "slim.py", "target.py")
_KEPT_BUILDS = 6  # a few for switching between settings and branches; each is about 5 MiB
_ZIP_DATE = (
    1980,
    1,
    1,
    0,
    0,
    0,
)  # the earliest that a zip can hold: no build time gets into the bundle


class BundleError(RuntimeError):
    """The bundle could not be made; its text says what to do."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A finished zip, and the hash of its inputs."""

    path: Path
    digest: str
    target: Target


def make_bundle(
    source: Path, builds: Path, target: Target, say: Callable[[str], None] | None = None
) -> Bundle:
    """The bundle of `source` (our lambda folder) for a target; built only when it is not in `builds`."""
    say = say or _say
    compiler = interpreter_for(target.python)
    locked = source / "requirements.txt"
    recipe = [
        target.identity(),
        f"bytecode={bool(compiler)}",
        *_file_hashes(_FOLDER, _recipe_files()),
    ]
    wanted = _digest([*recipe, *_file_hashes(source, [locked])])
    digest = _digest([wanted, *_file_hashes(source, _code_files(source / "jobledger"))])
    path = builds / f"{digest}.zip"
    if path.exists():
        path.touch()  # the pruning goes by age
        return Bundle(path=path, digest=digest, target=target)
    if compiler is None:
        say(
            f"no python{target.python} runs here: the bundle gets no bytecode and starts some 400 ms slower"
        )
    with _finished(builds / wanted) as packages:
        if packages:
            _install(locked, packages, target, say)
            slim(packages)
            _compile(packages, compiler)
    with _finished(path) as zipped, tempfile.TemporaryDirectory(dir=builds) as scratch:
        if zipped:
            _copy_code(source, Path(scratch))
            _compile(Path(scratch), compiler)
            _zip([builds / wanted, Path(scratch)], zipped)
    _prune(builds, keep={path, builds / wanted})
    return Bundle(path=path, digest=digest, target=target)


def _say(line: str) -> None:
    print(f"job-ledger: {line}", file=sys.stderr, flush=True)


def _install(locked: Path, packages: Path, target: Target, say: Callable[[str], None]) -> None:
    say(f"installing the functions' dependencies for python{target.python} on {target.machine} …")
    started = time.monotonic()
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += [
        "--no-input",
        "--no-compile",
        "--require-hashes",
        "--only-binary=:all:",
        "--no-deps",
    ]
    command += [*target.pip_options, f"--target={packages}", f"--requirement={locked}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
        raise BundleError(
            "pip could not install the functions' dependencies "
            f"({locked.name}, python{target.python}, {target.machine}):\n"
            + "\n".join(f"  {line}" for line in errors[-12:])
            + f"\nCheck that a package index can be reached and that `{sys.executable} -m pip --version` works,"
            " then run this again."
        )
    say(f"… installed in {time.monotonic() - started:.1f} s")


def _copy_code(source: Path, to: Path) -> None:
    for file in _code_files(source / "jobledger"):
        copy = to / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)


def _compile(folder: Path, compiler: str | None) -> None:
    """Bytecode that Python trusts without a look at the source's time, which a zip does not keep."""
    if compiler is None:
        return
    command = [
        compiler,
        "-I",
        "-m",
        "compileall",
        "-q",
        "-j",
        "0",
        "--invalidation-mode",
        "unchecked-hash",
    ]
    # -s: the name of this temporary folder must not get into the bytecode.
    command += ["-s", str(folder), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BundleError(f"{compiler} could not compile the bundle:\n{done.stdout}{done.stderr}")


def _zip(folders: list[Path], to: Path) -> None:
    files = {
        file.relative_to(folder): file
        for folder in folders
        for file in folder.rglob("*")
        if file.is_file()
    }
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as zipped:
        for name in sorted(files, key=lambda name: name.as_posix()):
            entry = zipfile.ZipInfo(name.as_posix(), date_time=_ZIP_DATE)
            entry.external_attr = (0o755 if name.suffix == ".so" else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(entry, files[name].read_bytes())


@contextmanager
def _finished(path: Path) -> Iterator[Path | None]:
    """A place to build in that becomes `path` in one step when all went well; None when it is there.

    Whoever is interrupted, or builds the same at the same time, leaves no half-made `path`.
    """
    if path.exists():
        path.touch()
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=path.parent, prefix="tmp-"))
    try:
        place = scratch / path.name
        if not path.suffix:
            place.mkdir()
        yield place
        try:
            place.rename(path)
        except OSError:
            if not path.exists():  # else another process was first, with the same content
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _prune(builds: Path, keep: set[Path]) -> None:
    """Remove the oldest builds, and what interrupted ones left behind more than an hour ago."""
    entries = sorted(builds.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    finished = [path for path in entries if not path.name.startswith("tmp")]
    old = [path for path in finished[_KEPT_BUILDS:] if path not in keep]
    hour_ago = time.time() - 3600
    old += [
        path for path in entries if path.name.startswith("tmp") and path.stat().st_mtime < hour_ago
    ]
    for path in old:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _recipe_files() -> list[Path]:
    return [_FOLDER / name for name in _RECIPE]


def _code_files(folder: Path) -> list[Path]:
    """Our files: no bytecode, nothing hidden, nothing an editor left behind."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(
        path
        for path in files
        if not any(
            part == "__pycache__" or part.startswith(".") for part in path.relative_to(folder).parts
        )
        and path.suffix not in (".pyc", ".orig", ".rej")
        and not path.name.endswith("~")
    )


def _file_hashes(root: Path, files: list[Path]) -> list[str]:
    return [
        f"{file.relative_to(root).as_posix()} {hashlib.sha256(file.read_bytes()).hexdigest()}"
        for file in files
    ]


def _digest(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
