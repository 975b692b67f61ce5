"""Mutation testing, for `make mutants`: `python -m tests.mutants PACKAGE…`; without a name, every package.

mutmut changes one thing at a time in the functions of a package, and runs the tests that run the changed
function. A mutant that no test fails for has survived: `tests/mutants.toml` explains it, or it is an error. An
interrupted run is resumed. After a change of the tests alone, only the survivors run again; a change of the code,
or `make clean`, starts anew.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".local" / "mutants"
PYTHON = ROOT / ".venv-mutants" / "bin" / "python"
MUTMUT = PYTHON.with_name("mutmut")
REASONS = ROOT / "tests" / "mutants.toml"
RESULTS = ROOT / "tests" / "MUTANTS.md"
GOAL = 0.9


@dataclass(frozen=True)
class Package:
    """What is mutated, as paths below `lambda/jobledger`, and the tests that are about it."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


CONNECTIONS = "tests/unit/test_connections.py"
PACKAGES = {
    "lookup": Package(
        ("lookup/*.py",), ("tests/unit/lookup", "tests/functional/lookup", CONNECTIONS)
    ),
    # `api/parameters.py` only declares; these are the functions that read what it declares.
    "parameters": Package(
        ("inputs/filters.py", "inputs/validation.py", "inputs/formats.py"),
        (
            *("tests/unit/api/test_parameters.py", "tests/unit/inputs/test_documents.py"),
            *("tests/unit/inputs/test_formats.py", "tests/unit/digest/test_requests.py"),
            *("tests/unit/sync/test_run.py", "tests/unit/lookup"),
        ),
    ),
    "sync": Package(("sync/*.py",), ("tests/unit/sync", CONNECTIONS)),
    "digest": Package(
        ("digest/*.py", "sns.py", "wording.py"),
        ("tests/unit/digest", "tests/unit/test_sns.py", CONNECTIONS),
    ),
    "ledger": Package(("ledger/*.py", "totals/*.py"), ("tests/unit/ledger", CONNECTIONS)),
    "events": Package(
        ("events/*.py", "fitting.py", "stream.py"),
        (
            "tests/unit/events",
            "tests/unit/test_fitting.py",
            "tests/unit/test_answers.py",
            CONNECTIONS,
        ),
    ),
    "outputs": Package(("outputs/*.py",), ("tests/unit/outputs", CONNECTIONS)),
}
# Folders of the project and where a copy has them: mutmut wants the package at its root.
_CODE = {"lambda/jobledger": "jobledger"}
_TESTS = {name: name for name in ("tests", "testing", "local", "docs", "openapi")}
_NO_ROW = "| | | | not run |"
# Exit codes of mutmut: every other one is a test that failed, or a test run that did not end.
_NOT_RUN, _SURVIVED, _UNTESTED = (None, 2), (0,), (5, 33)


@dataclass(frozen=True)
class Score:
    """The mutants of a package; `survivors` has those that no test fails for, as `tests/mutants.toml` names them."""

    package: str
    mutants: int
    survivors: tuple[str, ...]

    @property
    def share(self) -> float:
        return 1 - len(self.survivors) / self.mutants


def run(package: str, ignored: Mapping[str, str]) -> None:
    """Run the mutants of a package that were not run yet. Raises CalledProcessError."""
    work = WORK / package
    configuration = _configuration(PACKAGES[package], ignored)
    code, tests = _fingerprint(_CODE, configuration), _fingerprint(_TESTS)
    last_code, last_tests = _read_state(work)
    if code != last_code:
        shutil.rmtree(work, ignore_errors=True)
        _copy(_CODE, work)
        (work / "pyproject.toml").write_text(configuration)
    if (code, tests) != (last_code, last_tests):
        _copy(_TESTS, work)
        _check_ids(work, PACKAGES[package].tests)
        _forget_tests(work / "mutants")
        _forget_results(work / "mutants", (*_SURVIVED, *_UNTESTED))
        (work / "state").write_text(f"{code} {tests}")
    _forget_results(work / "mutants", _NOT_RUN)
    # CI: hypothesis tries the same examples for every mutant. tests/conftest.py reads the other.
    environment = os.environ | {"CI": "true", "JOB_LEDGER_MUTANTS": "1"}
    children = str(len(os.sched_getaffinity(0)))
    command = [str(MUTMUT), "run", "--max-children", children]
    subprocess.run(command, cwd=work, env=environment, check=True)


def _read_state(work: Path) -> tuple[str, str]:
    if not (work / "state").exists():
        return "", ""
    code, tests = (work / "state").read_text().split()
    return code, tests


def _copy(folders: Mapping[str, str], work: Path) -> None:
    for source, target in folders.items():
        shutil.rmtree(work / target, ignore_errors=True)
        shutil.copytree(ROOT / source, work / target, ignore=shutil.ignore_patterns("__pycache__"))


def _forget_tests(mutants: Path) -> None:
    """Let mutmut copy the tests again, and find out again which functions they run."""
    for target in _TESTS.values():
        shutil.rmtree(mutants / target, ignore_errors=True)
    (mutants / "mutmut-stats.json").unlink(missing_ok=True)


def _forget_results(mutants: Path, codes: Collection[int | None]) -> None:
    """Let mutmut run the mutants with these exit codes again: it runs those that have none."""
    for file in mutants.rglob("*.meta"):
        results = json.loads(file.read_text())
        results["exit_code_by_key"] = {
            name: None if code in codes else code
            for name, code in results["exit_code_by_key"].items()
        }
        file.write_text(json.dumps(results))


def _check_ids(work: Path, tests: Sequence[str]) -> None:
    """Check that pytest finds each test by its id: mutmut takes a test that is not found for one that fails."""
    collect = [str(PYTHON), "-m", "pytest", "--collect-only", "-q"]
    listed = subprocess.run(
        [*collect, *tests], cwd=work, capture_output=True, text=True, check=True
    )
    ids = [line for line in listed.stdout.splitlines() if "::" in line]
    found = subprocess.run([*collect, *ids], cwd=work, capture_output=True, text=True, check=False)
    if found.returncode:
        raise SystemExit(
            f"error: tests whose ids pytest does not find:\n{found.stderr or found.stdout}"
        )


def _fingerprint(folders: Iterable[str], more: str = "") -> str:
    files = [
        file for source in folders for file in sorted((ROOT / source).rglob("*")) if file.is_file()
    ]
    contents = [
        (str(file.relative_to(ROOT)), file.read_bytes())
        for file in files
        if "__pycache__" not in file.parts and file not in (REASONS, RESULTS)
    ]
    return hashlib.sha256(repr((contents, more)).encode()).hexdigest()


def _configuration(package: Package, ignored: Mapping[str, str]) -> str:
    mutmut = {
        "source_paths": ["jobledger"],
        "only_mutate": [f"jobledger/{modules}" for modules in package.modules],
        "also_copy": ["testing", "local", "docs"],
        "do_not_mutate_patterns": [*ignored],
        # These plugins collect all garbage after each run, which takes longer than most tests.
        "pytest_add_cli_args": [
            *("-p", "no:unraisableexception", "-p", "no:threadexception"),
            # It is slow, and reads the source.
            "--ignore=tests/unit/sync/test_interleavings.py",
            *("-m", "not slow"),
        ],
        "pytest_add_cli_args_test_selection": [*package.tests],
        "use_git_change_detection": False,
        "track_dependencies": False,
        "timeout_multiplier": 5.0,
        "timeout_constant": 5.0,
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    pytest = {
        "pythonpath": ["."],
        "addopts": ["--import-mode=importlib", "--strict-config"],
        "filterwarnings": project["filterwarnings"],
        "markers": [*project["markers"], "xdist_group(name): not used here"],
    }
    tables = {"tool.mutmut": mutmut, "tool.pytest.ini_options": pytest}
    return "\n".join(
        line
        for name, table in tables.items()
        for line in (f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items()))
    )


def score_of(package: str) -> Score:
    """Return the result of a package whose mutants have all been run."""
    codes = dict(_exit_codes(WORK / package / "mutants"))
    if left := [name for name, code in codes.items() if code in _NOT_RUN]:
        raise SystemExit(f"error: {len(left)} mutants of {package} were not run: run it again")
    survived = [name for name, code in codes.items() if code in (*_SURVIVED, *_UNTESTED)]
    with ThreadPoolExecutor(2) as pool:
        survivors = pool.map(lambda name: described(WORK / package, name), survived)
    return Score(package, len(codes), tuple(sorted(survivors)))


def _exit_codes(mutants: Path) -> Iterator[tuple[str, int | None]]:
    for file in sorted(mutants.rglob("*.meta")):
        yield from json.loads(file.read_text())["exit_code_by_key"].items()


def described(work: Path, name: str) -> str:
    """Return a mutant as its function and the lines before and after; mutmut's numbers change with the function."""
    shown = subprocess.run(
        [str(MUTMUT), "show", name], cwd=work, capture_output=True, text=True, check=True
    ).stdout
    module, _, function = name.removeprefix("jobledger.").rpartition(".")
    function = re.sub(r"^x_?|__mutmut_\d+$", "", function).strip("ǁ").replace("ǁ", ".")
    lines = [line for line in shown.splitlines() if not line.startswith(("---", "+++", "@@"))]
    before, after = (
        " ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+"
    )
    return f"{module}.{function}: {before} → {after}"


def report(scores: Mapping[str, Score], explained: Mapping[str, str]) -> bool:
    """Print the scores and what is wrong; return whether nothing is."""
    survivors = {survivor for score in scores.values() for survivor in score.survivors}
    about = tuple(
        modules.removesuffix("py").removesuffix("*.").replace("/", ".")
        for name in scores
        for modules in PACKAGES[name].modules
    )
    wrong = False
    for score in scores.values():
        print(f"{score.package:12} {score.share:6.1%} of {score.mutants:,} mutants")
        wrong |= score.share < GOAL
    for survivor in sorted(survivors - explained.keys()):
        print(
            f"survived, without a reason in tests/mutants.toml:\n  {json.dumps(survivor, ensure_ascii=False)}"
        )
        wrong = True
    for key in explained.keys() - survivors:
        if key.startswith(about):
            print(f"explained in tests/mutants.toml, but no longer a survivor:\n  {key}")
            wrong = True
    return not wrong


def write_results(scores: Mapping[str, Score]) -> None:
    """Write the rows of these packages into tests/MUTANTS.md, and keep the others."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    rows = dict(re.findall(r"^\| `(\w+)` (\|.*)$", text, flags=re.MULTILINE))
    for score in scores.values():
        killed = score.mutants - len(score.survivors)
        rows[score.package] = (
            f"| {score.mutants:,} | {killed:,} | {len(score.survivors):,} | {score.share:.1%} |"
        )
    RESULTS.write_text(
        "# Mutation testing\n\n"
        "The last results of `make mutants`. `tests/mutants.toml` explains survivors; the others lack a test.\n\n"
        "| package | mutants | killed | survivors | score |\n|---|---|---|---|---|\n"
        + "".join(f"| `{name}` {rows.get(name, _NO_ROW)}\n" for name in PACKAGES),
        encoding="utf-8",
    )


def main(names: list[str]) -> int:
    if unknown := set(names) - PACKAGES.keys():
        print(
            f"error: no package {', '.join(sorted(unknown))}: {', '.join(PACKAGES)}",
            file=sys.stderr,
        )
        return 2
    notes = tomllib.loads(REASONS.read_text(encoding="utf-8"))
    scores = {}
    for name in names or PACKAGES:
        print(f"{name}:", flush=True)
        run(name, notes["ignored"])
        scores[name] = score_of(name)
    write_results(scores)
    return 0 if report(scores, notes["survivors"]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
