"""Builds the Lambda code asset: code, locked dependencies and bytecode in one reproducible zip.

pip builds it on this machine, without Docker. Its name is the hash of all its inputs, so a second synth
reuses it. `/var/task` is read-only: missing or stale bytecode would be compiled again at every cold start
(400 ms).
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stacks.packaging.slim import OPERATIONS, slim
from stacks.packaging.target import Target, interpreter_for

_FOLDER = Path(__file__).resolve().parent
_RECIPE = ("bundle.py", "cuts.py", "slim.py", "target.py")
_KEPT_BUILDS = 6  # enough to switch between settings and branches; each is about 5 MiB
_ZIP_DATE = (
    1980,
    1,
    1,
    0,
    0,
    0,
)  # the earliest date of the zip format: no build time enters the bundle


class BundleError(RuntimeError):
    """The bundle cannot be built; the text says what to do."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A finished zip and the hash of its inputs."""

    path: Path
    digest: str
    target: Target


def make_bundle(
    source: Path, builds: Path, target: Target, say: Callable[[str], None] | None = None
) -> Bundle:
    """Return the bundle of the source folder for a target; build it unless it exists in `builds`."""
    say = say or _say
    compiler = interpreter_for(target.python)
    locked = source / "requirements.txt"
    recipe = [
        target.identity(),
        f"bytecode={bool(compiler)}",
        f"operations={OPERATIONS}",
        *_file_hashes(_FOLDER, _recipe_files()),
    ]
    wanted = _digest([*recipe, *_file_hashes(source, [locked])])
    digest = _digest([wanted, *_file_hashes(source, _code_files(source / "jobledger"))])
    path = builds / f"{digest}.zip"
    if path.exists():
        path.touch()  # pruning uses the age
        return Bundle(path=path, digest=digest, target=target)
    if compiler is None:
        say(
            f"python{target.python} is not installed: the bundle has no bytecode and starts about 400 ms slower"
        )
    with _finished(builds / wanted) as packages:
        if packages:
            install_packages(locked, packages, target, say)
            slim(packages)
            compile_folder(packages, compiler)
    with _finished(path) as zipped, tempfile.TemporaryDirectory(dir=builds) as scratch:
        if zipped:
            _copy_code(source, Path(scratch))
            compile_folder(Path(scratch), compiler)
            _zip([builds / wanted, Path(scratch)], zipped)
    _prune(builds, keep={path, builds / wanted})
    return Bundle(path=path, digest=digest, target=target)


def _say(line: str) -> None:
    print(f"job-ledger: {line}", file=sys.stderr, flush=True)


def install_packages(
    locked: Path, packages: Path, target: Target, say: Callable[[str], None]
) -> None:
    """Install locked packages for a target into a folder. Raises BundleError."""
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
            + f"\nCheck that a package index is reachable and that `{sys.executable} -m pip --version` works,"
            " then run this command again."
        )
    say(f"… installed in {time.monotonic() - started:.1f} s")


def _copy_code(source: Path, to: Path) -> None:
    for file in _code_files(source / "jobledger"):
        copy = to / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)


def compile_folder(folder: Path, compiler: str | None) -> None:
    """Compile bytecode that Python uses without checking source times, which a zip does not keep."""
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
    # -s: keep the name of the temporary folder out of the bytecode.
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
    """Yield a temporary path that becomes `path` atomically on success; None when `path` exists.

    An interrupted or concurrent build leaves no partial `path`.
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
            if not path.exists():  # unless another process built the same content first
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _prune(builds: Path, keep: set[Path]) -> None:
    """Remove the oldest builds, and temporary files of interrupted builds older than an hour."""
    entries = sorted(_last_used(builds), reverse=True)
    finished = [path for _, path in entries if not path.name.startswith("tmp")]
    old = [path for path in finished[_KEPT_BUILDS:] if path not in keep]
    hour_ago = time.time() - 3600
    old += [path for used, path in entries if path.name.startswith("tmp") and used < hour_ago]
    for path in old:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _last_used(builds: Path) -> Iterator[tuple[float, Path]]:
    """Yield each build with its time; another process can remove its temporary files meanwhile."""
    for path in builds.iterdir():
        with suppress(FileNotFoundError):
            yield path.stat().st_mtime, path


def _recipe_files() -> list[Path]:
    return [_FOLDER / name for name in _RECIPE]


def _code_files(folder: Path) -> list[Path]:
    """Return the source files, without bytecode, hidden files or editor backups."""
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
