"""docs/outputs.md says what the code does."""

import json
import re
from pathlib import Path

from jobledger.api.export import OUTPUT_COLUMNS
from jobledger.ledger.output import PROBLEMS, Output
from jobledger.outputs import run
from jobledger.outputs.manifest import LIST_BYTES, MANIFEST_BYTES
from stacks.settings import Settings

DOCUMENT = (Path(__file__).parents[3] / "docs" / "outputs.md").read_text(encoding="utf-8")
TEXT = " ".join(DOCUMENT.split())


def test_the_example_is_an_output_and_its_sentence_is_the_boards():
    (shown,) = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    output = json.loads(shown)
    sentence = Output(400, 388, 12, 123_456, 31, output["ErrorCodes"]).text
    assert f"`{sentence.partition(':')[0]}`" in TEXT
    assert [*output][:5] == list(OUTPUT_COLUMNS[:5])


def test_every_problem_has_a_meaning():
    assert re.findall(r"^\| `(\w+)` \|", DOCUMENT, re.MULTILINE)[1:] == list(PROBLEMS)


def test_the_limits_and_the_times_are_those_of_the_code():
    assert (MANIFEST_BYTES, LIST_BYTES) == (2**20, 64 * 2**20)
    minutes = [int(after.total_seconds() // 60) for after in run._AFTER]
    assert minutes == [0, 1, 5, 15, *(hours * 60 for hours in (1, 4, 12, 24))]
    assert "after 1, 5 and 15 minutes, then 1, 4, 12 and 24 hours" in TEXT
    assert f"at most {run._QUEUED_A_MINUTE} of them a minute" in TEXT


def test_the_command_has_valid_settings():
    (arguments,) = re.findall(r'CDK_ARGS="(.*)"', DOCUMENT)
    context = dict(each.split("=", 1) for each in re.findall(r"-c (\S+)", arguments))
    assert Settings.from_context(context).output_buckets == ("codes", "archive/out/")
