"""The gate on branch coverage that `make test` loads."""

import os
import sys

from testing.processes import ROOT, run


def test_passing_tests_that_take_too_few_branches_fail_the_run(tmp_path):
    options = ["--cov", "--cov-report=", "-n1", "-p", "tests.branch_coverage"]
    command = [sys.executable, "-m", "pytest", *options, "tests/unit/test_metrics.py"]
    done = run(*command, cwd=ROOT, env=os.environ | {"COVERAGE_FILE": str(tmp_path / "data")})
    assert done.returncode == 1, done.stdout
    assert "error: at least 95 % of them must be" in done.stdout
