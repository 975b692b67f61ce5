"""What a job processed, as its row and the API's job have it. No AWS calls."""

from typing import Literal, get_args

import msgspec

from jobledger.jobs import is_object
from jobledger.ledger.table import Row, text_of

Problem = Literal[
    "NoOutputLocation",
    "BucketNotConfigured",
    "ManifestNotFound",
    "AccessDenied",
    "NotAManifest",
    "TooLarge",
    "Unavailable",
]
PROBLEMS: tuple[str, ...] = get_args(Problem)
ATTRIBUTE = "JobOutput"
"""The attribute of a job's row. `Output` is a reserved word of DynamoDB's expressions."""
MEMBER = "Output"
"""The member of the API's job."""


class Output(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a job processed, from its manifest; a number that the manifest does not have is None.

    `error_codes` counts the files that were not processed, by the service's code; empty when their list was not
    read. With a `problem`, the object at `location` could not be read: without numbers the manifest, with numbers
    the list of unprocessed files that it names.
    """

    input_files: int | None = msgspec.field(default=None, name="InputFileCount")
    success_files: int | None = msgspec.field(default=None, name="SuccessFilesCount")
    unprocessed_files: int | None = msgspec.field(default=None, name="UnprocessedFilesCount")
    characters: int | None = msgspec.field(default=None, name="TotalMeteredCharacters")
    seconds: int | None = msgspec.field(default=None, name="TotalDurationSeconds")
    error_codes: dict[str, int] = msgspec.field(default_factory=dict, name="ErrorCodes")
    problem: Problem | None = msgspec.field(default=None, name="Problem")
    location: str | None = msgspec.field(default=None, name="Location")

    @property
    def json(self) -> str:
        """The JSON of a job's `Output`."""
        return msgspec.json.encode(self).decode()

    @property
    def numbered(self) -> bool:
        """Whether the manifest was read."""
        return self.problem is None or self.characters is not None or self.input_files is not None

    @property
    def complete(self) -> bool:
        """Whether everything was read: nothing would replace it."""
        return self.problem is None


def output_of(row: Row) -> Output | None:
    """Return what the row of a job says that it processed; None when it says nothing, or nothing readable."""
    try:
        return _decoder.decode(str(row[ATTRIBUTE])) if ATTRIBUTE in row else None
    except msgspec.DecodeError:
        return None


_decoder = msgspec.json.Decoder(Output)


def with_output(job: str, output: str | None) -> str:
    """Return the JSON of a job with its `Output`, if it has one that can be read, as the last member."""
    return f'{job[:-1]},"{MEMBER}":{output}}}' if output and is_object(output) else job


def job_json(row: Row) -> str:
    """Return the JSON of the job of a row, as the API has it."""
    return with_output(str(row["Job"]), text_of(row, ATTRIBUTE))
