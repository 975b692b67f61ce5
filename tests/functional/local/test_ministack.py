"""What the local AWS replaces in MiniStack does the same, in MiniStack's own environment."""

import subprocess

from local.deployment import MINISTACK
from local.environments import ROOT

COMPARE = """
import itertools
from ministack.services.dynamodb import _evaluate_condition as plain
from local.ministack.queries import compare_ranges

def outcome(evaluate, *arguments):
    try:
        return evaluate(*arguments, slot="KeyConditionExpression")
    except ValueError as error:
        return str(error)

texts = ["", "a", "b", "b#", "\\u00e9", "\\uffff", "\\U00010000"]
values = [*({"S": text} for text in texts), {"N": "1"}]
fast, seen = compare_ranges(plain), set()
for low, sort, high in itertools.product(values, repeat=3):
    for partition, missing, expression in itertools.product(
        ({"S": "jobs"}, {"S": "other"}),
        (None, ":key", ":low", ":high"),
        (
            "PK = :key AND SK BETWEEN :low AND :high",
            "PK = :key AND Absent BETWEEN :low AND :high",
            "PK = :key AND begins_with(SK, :low)",
            "Name = :key AND SK BETWEEN :low AND :high",
            "PK = :key",
        ),
    ):
        row = {"PK": partition, "SK": sort, "Name": partition}
        given = {":key": {"S": "jobs"}, ":low": low, ":high": high}
        given.pop(missing, None)
        found = outcome(fast, expression, row, given, {})
        assert found == outcome(plain, expression, row, given, {}), (expression, row, given)
        seen.add(found)
print(len(seen))
"""


def test_a_range_of_keys_holds_what_it_holds_in_ministack():
    command = [str(MINISTACK), "-P", "-c", f"import sys; sys.path.append({str(ROOT)!r})\n{COMPARE}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 3, "true, false and errors have been seen"
