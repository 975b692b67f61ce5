"""The parameters of the API: job filters, paging and format, those of the board, and those in paths.

The OpenAPI document is generated from the same declarations.
"""

from msgspec.structs import replace

from jobledger.inputs.filters import FILTERS, SOURCE_FILTERS
from jobledger.inputs.validation import Parameter, enumerated, truth, whole_number

MAX_RESULTS_LIMIT = 500
DEFAULT_MAX_RESULTS = 100
RESPONSE_FORMATS = ("json", "csv", "csv-bom", "ndjson")

LIST_PARAMETERS = FILTERS | {
    parameter.name: parameter
    for parameter in (
        Parameter(
            "Order",
            enumerated("ascending", "descending"),
            "ascending or descending",
            "By submit time. Default: ascending when SubmitTimeBefore is the only time bound, as in the "
            "service, otherwise descending.",
            example="descending",
        ),
        Parameter(
            "Active",
            {"type": "boolean", "default": False},
            "true or false",
            "Only active jobs: those that have not ended and that the service still knows. A job that the service "
            "has deleted keeps its last status, so JobStatus alone lists it for ever.",
            from_text=truth,
            example=False,
        ),
        Parameter(
            "MaxResults",
            {
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_RESULTS_LIMIT,
                "default": DEFAULT_MAX_RESULTS,
            },
            f"a whole number from 1 to {MAX_RESULTS_LIMIT}",
            "The maximum number of jobs on a page.",
            from_text=whole_number,
            example=100,
        ),
        Parameter(
            "NextToken",
            # The length is in the pattern: each page has a new token, and each keyword costs time.
            {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,512}$"},
            "the NextToken of the previous page, unchanged",
            "The NextToken of the previous page, with the same filters. It does not expire.",
        ),
        Parameter(
            "ConsistentRead",
            {"type": "boolean", "default": False},
            "true or false",
            "Whether to sync with the service first. If the service cannot be reached, the response has the "
            'ledger\'s current content and `"Stale": true`.',
            from_text=truth,
            example=False,
        ),
        Parameter(
            "Format",
            enumerated(*RESPONSE_FORMATS),
            f"one of {', '.join(RESPONSE_FORMATS)}",
            "The format of the response, for clients that cannot set the Accept header. It takes precedence. "
            "csv-bom is csv with a byte order mark, without which Excel misreads letters outside of ASCII.",
            example="json",
        ),
    )
}

JOB_ID = Parameter(
    "JobId",
    # The service's model, shape JobId.
    {"type": "string", "minLength": 1, "maxLength": 32, "format": "job-name"},
    "1 to 32 letters, digits, spaces and _ . : = + - % @",
    "The id of the job.",
    example="7c9d2cd0a1f54c0f9d3b7f6a1e2d3c4b",
)
JOB_PARAMETERS = {name: FILTERS[name] for name in SOURCE_FILTERS}
"""Which of several jobs with one id, in a ledger of several sources."""
WIDGET_PARAMETERS = {
    name: parameter
    for name, parameter in LIST_PARAMETERS.items()
    if name not in ("ConsistentRead", "Format")
} | {
    "Family": replace(
        LIST_PARAMETERS["Family"],
        description="The kind of job. Repeat the parameter for several kinds. Default: ALL.",
    )
}
BOARD_PARAMETERS = WIDGET_PARAMETERS | {
    # Replaces the filters: the response is the page of this job.
    "JobId": JOB_ID,
    "Format": Parameter(
        "Format",
        enumerated("html", "csv"),
        "html or csv",
        "csv: a file of the jobs that match, of all pages, at most 5,000. Default: html.",
        example="html",
    ),
    # WCAG 2.2.2: a reader can pause what updates by itself.
    "Refresh": Parameter(
        "Refresh",
        enumerated("on", "off"),
        "on or off",
        "Whether the page reloads by itself. Default: on.",
        example="on",
    ),
}
BOARD_ASSET = Parameter(
    "Asset",
    enumerated("board.css", "page.css", "board.js", "icon.svg"),
    "one of board.css, page.css, board.js, icon.svg",
    "The file.",
    example="board.css",
)
