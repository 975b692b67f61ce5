"""The query parameters of `GET /jobs`: the job filters, and those that page and format the answer.

The OpenAPI document is generated from the same declarations.
"""

import re

from jobledger.inputs import FILTERS, Parameter, enumerated, one_of

MAX_RESULTS_LIMIT = 500
DEFAULT_MAX_RESULTS = 100
FORMATS = ("json", "csv", "ndjson")

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,512}\Z", re.ASCII)


def _parse_max_results(text: str) -> int:
    if not re.fullmatch(r"\d{1,3}", text, re.ASCII) or not 1 <= int(text) <= MAX_RESULTS_LIMIT:
        raise ValueError
    return int(text)


def _parse_token(text: str) -> str:
    if not _TOKEN.match(text):
        raise ValueError
    return text


def _parse_truth(text: str) -> bool:
    return one_of("true", "false")(text) == "true"


LIST_PARAMETERS = FILTERS | {
    parameter.name: parameter
    for parameter in (
        Parameter(
            "Order",
            one_of("ascending", "descending"),
            "ascending or descending",
            enumerated("ascending", "descending"),
            "By submit time. Default: ascending when SubmitTimeBefore is the only time bound, as in the "
            "service, otherwise descending.",
            example="descending",
        ),
        Parameter(
            "MaxResults",
            _parse_max_results,
            f"a whole number from 1 to {MAX_RESULTS_LIMIT}",
            {
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_RESULTS_LIMIT,
                "default": DEFAULT_MAX_RESULTS,
            },
            "The maximum number of jobs on a page.",
            example=100,
        ),
        Parameter(
            "NextToken",
            _parse_token,
            "the NextToken of the previous page, unchanged",
            {"type": "string", "minLength": 1, "maxLength": 512, "pattern": "^[A-Za-z0-9_-]+$"},
            "The NextToken of the previous page, with the same filters. It does not expire.",
        ),
        Parameter(
            "ConsistentRead",
            _parse_truth,
            "true or false",
            {"type": "boolean", "default": False},
            "Whether to sync with the service first. If the service cannot be reached, the response has the "
            'ledger\'s current content and `"Stale": true`.',
            example=False,
        ),
        Parameter(
            "Format",
            one_of(*FORMATS),
            f"one of {', '.join(FORMATS)}",
            enumerated(*FORMATS),
            "The format of the response, for clients that cannot set the Accept header. It takes precedence.",
            example="json",
        ),
    )
}
