"""What the printed session leaves out, so that a person reads the rest."""

import pytest

from local.session import shown


@pytest.mark.parametrize(
    "value, text",
    [
        ("plain text", "plain text"),
        ({"Count": 2}, '{\n  "Count": 2\n}'),
        ([1, 2, 3, 4, 5], '[\n  1,\n  2,\n  3,\n  "… 2 more"\n]'),
        ([{"a": 1}, {"a": 2}], '[\n  {\n    "a": 1\n  },\n  "… 1 more"\n]'),
        ({"NextToken": "x" * 200}, f'{{\n  "NextToken": "{"x" * 60}… (200 characters)"\n}}'),
        ({"JobName": "診療記録"}, '{\n  "JobName": "診療記録"\n}'),
    ],
)
def test_answers_are_indented_and_long_ones_cut(value, text):
    assert shown(value) == text
