"""The unit tests on the version of Python that runs the functions in AWS."""

import platform

import pytest

from local import toolchain
from testing.processes import ROOT, run

# They start other environments of this clone, or check its sources, which are the same in any Python; they are about
# the client or the soak, which do not run in AWS; or they count what a long time costs.
LEFT_OUT = (
    "tests/unit/local",
    "tests/unit/client",
    "tests/unit/doctor",
    "tests/unit/outputs/test_last_days.py",
    "tests/unit/soak",
    "tests/unit/test_cost.py",
    "tests/unit/test_imports.py",
    "tests/unit/test_readme.py",
    "tests/unit/test_reliability.py",
)


@pytest.mark.longest
def test_the_unit_tests_pass_on_lambda_s_version_of_python():
    runtime = toolchain.runtime_environment()
    if runtime is None:
        pytest.skip(f"Python 3.13 is not here beside this {platform.python_version()}")
    ignored = [f"--ignore={path}" for path in LEFT_OUT]
    command = [runtime.python, "-m", "pytest", "-n0", "-p", "no:cacheprovider", *ignored]
    command += ["-m", "not full and not slow", "-p", "tests.functional.local.first_cases"]
    done = run(*command, "tests/unit", cwd=ROOT)
    assert done.returncode == 0, done.stdout[-4000:]
