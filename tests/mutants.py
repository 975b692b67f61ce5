"""Mutation testing, for `make mutants`: `python -m tests.mutants PACKAGE…`; without a name, every package.

mutmut changes one thing at a time in the functions of a package, and runs the tests that run the changed
function. A mutant that no test fails for has survived: `tests/mutants.toml` explains it, or it is an error. A
second run goes on with what was not run yet and with survivors; a change of the code, or `make clean`, starts anew.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MUTMUT = ROOT / ".venv-mutants" / "bin" / "mutmut"
NOTES = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text(encoding="utf-8"))
RESULTS = ROOT / "tests" / "MUTANTS.md"
GOAL = 0.9
CODE = ROOT / "lambda" / "jobledger"
_TESTS = ("tests", "testing", "local", "docs", "openapi")
_CACHES = shutil.ignore_patterns("__pycache__")
_NO_ROW = "| | | | not run |"
# Exit codes of mutmut: every other one is a test that failed, or a test run that did not end.
_NOT_RUN, _SURVIVED = (None, 2), (0, 5, 33)


@dataclass(frozen=True)
class Score:
    """The mutants of a package; `survivors` has those that no test fails for, as `tests/mutants.toml` names them."""

    mutants: int
    survivors: tuple[str, ...]

    @property
    def share(self) -> float:
        return 1 - len(self.survivors) / self.mutants


def run(package: str) -> Score:
    """Run the mutants of a package that no test was seen to fail for. Raises CalledProcessError."""
    work = ROOT / ".local" / "mutants" / package
    configured, configuration = work / "pyproject.toml", _configuration(package)
    paths = (path for path in CODE.rglob("*") if "__pycache__" not in path.parts)
    changed = max(path.stat().st_mtime for path in paths)
    known = configured.exists() and configured.stat().st_mtime > changed
    if not known or configured.read_text(encoding="utf-8") != configuration:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(CODE, work / "jobledger", ignore=_CACHES)
        configured.write_text(configuration, encoding="utf-8")
    # mutmut runs the tests once to see which functions each of them runs: these may be others by now.
    (work / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)
    for name in _TESTS:
        for copied in (work / name, work / "mutants" / name):
            shutil.rmtree(copied, ignore_errors=True)
        shutil.copytree(ROOT / name, work / name, ignore=_CACHES)
    for file in (work / "mutants").rglob("*.meta"):
        results = json.loads(file.read_text())
        codes = results["exit_code_by_key"]
        again = dict.fromkeys(
            name for name, code in codes.items() if code in (*_NOT_RUN, *_SURVIVED)
        )
        file.write_text(json.dumps(results | {"exit_code_by_key": codes | again}))
    # CI: hypothesis tries the same examples for every mutant. tests/conftest.py reads the other.
    environment = os.environ | {"CI": "true", "JOB_LEDGER_MUTANTS": "1"}
    children = str(len(os.sched_getaffinity(0)))
    command = [str(MUTMUT), "run", "--max-children", children]
    subprocess.run(command, cwd=work, env=environment, check=True)
    # mutmut takes a test whose id pytest does not find for one that fails.
    ids = json.loads((work / "mutants" / "mutmut-stats.json").read_text())["duration_by_test"]
    collect = (MUTMUT.with_name("python"), "-m", "pytest", "--collect-only", "-q", *ids)
    subprocess.run(collect, cwd=work, stdout=subprocess.DEVNULL, check=True)
    return score_in(work)


def _configuration(package: str) -> str:
    chosen = NOTES["packages"][package]
    mutmut = NOTES["mutmut"] | {
        "only_mutate": [f"jobledger/{modules}" for modules in chosen["modules"]],
        "do_not_mutate_patterns": [*NOTES["ignored"]],
        "pytest_add_cli_args_test_selection": chosen["tests"],
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    pytest = {
        "pythonpath": ["."],
        "addopts": ["--import-mode=importlib", "--strict-config"],
        "filterwarnings": project["filterwarnings"],
        "markers": [*project["markers"], "xdist_group(name): not used here"],
    }
    return "\n".join(
        line
        for name, table in (("mutmut", mutmut), ("pytest.ini_options", pytest))
        for line in (f"[tool.{name}]", *(f"{key} = {json.dumps(table[key])}" for key in table))
    )


def score_in(work: Path) -> Score:
    """Return the result of a package whose mutants have all been run."""
    codes: dict[str, Any] = {}
    for file in sorted((work / "mutants").rglob("*.meta")):
        codes |= json.loads(file.read_text())["exit_code_by_key"]
    if left := [name for name, code in codes.items() if code in _NOT_RUN]:
        raise SystemExit(f"error: {len(left)} mutants were not run, as {left[0]}: run it again")
    survived = [name for name, code in codes.items() if code in _SURVIVED]
    with ThreadPoolExecutor(2) as pool:
        survivors = pool.map(lambda name: described(work, name), survived)
    return Score(len(codes), tuple(sorted(survivors)))


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


def report(scores: Mapping[str, Score]) -> bool:
    """Print the scores and what is wrong; return whether nothing is."""
    explained = NOTES["survivors"].keys()
    survivors = {survivor for score in scores.values() for survivor in score.survivors}
    modules = [each for name in scores for each in NOTES["packages"][name]["modules"]]
    about = tuple(re.sub(r"(\*\.)?py$", "", each).replace("/", ".") for each in modules)
    outdated = {key for key in explained - survivors if key.startswith(about)}
    for name, score in scores.items():
        print(f"{name:12} {score.share:6.1%} of {score.mutants:,} mutants")
    for survivor in sorted(survivors - explained):
        named = json.dumps(survivor, ensure_ascii=False)
        print(f"survived, without a reason in tests/mutants.toml:\n  {named}")
    for key in sorted(outdated):
        print(f"explained in tests/mutants.toml, but no longer a survivor:\n  {key}")
    return survivors <= explained and not outdated and min(s.share for s in scores.values()) >= GOAL


def write_results(scores: Mapping[str, Score]) -> None:
    """Write the rows of these packages into tests/MUTANTS.md, and keep the others."""
    head, rule, table = RESULTS.read_text(encoding="utf-8").partition("|---|---|---|---|---|\n")
    rows = dict(re.findall(r"^\| `(\w+)` (\|.*)$", table, flags=re.MULTILINE))
    for name, score in scores.items():
        left = len(score.survivors)
        rows[name] = (
            f"| {score.mutants:,} | {score.mutants - left:,} | {left:,} | {score.share:.1%} |"
        )
    lines = (f"| `{name}` {rows.get(name, _NO_ROW)}\n" for name in NOTES["packages"])
    RESULTS.write_text(head + rule + "".join(lines), encoding="utf-8")


def main(names: list[str]) -> int:
    if unknown := set(names) - NOTES["packages"].keys():
        known = ", ".join(NOTES["packages"])
        print(f"error: no package {', '.join(sorted(unknown))}: {known}", file=sys.stderr)
        return 2
    scores = {}
    for name in names or NOTES["packages"]:
        print(f"{name}:", flush=True)
        scores[name] = run(name)
    write_results(scores)
    return 0 if report(scores) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
