"""What a job processed, as its row and the API's job have it. No AWS calls."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec

from jobledger.jobs import is_object
from jobledger.ledger.table import Row

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
OUTPUT_MEMBER = ',"Output":'
"""What begins the member of the API's job; it is the last one."""


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

    def __hash__(self) -> int:
        # Facts of jobs are keys of mappings, and a dict has no hash.
        return hash(self.json)

    @property
    def json(self) -> str:
        """The JSON of a job's `Output`."""
        return msgspec.json.encode(self).decode()

    def facts(self) -> dict[str, Any]:
        """Return the output as JSON without its place, whose name could identify a patient: for messages."""
        found: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(self, location=None))
        return found

    @property
    def numbered(self) -> bool:
        """Whether the manifest was read."""
        numbers = (
            *(self.input_files, self.success_files, self.unprocessed_files),
            *(self.characters, self.seconds),
        )
        return self.problem is None or any(number is not None for number in numbers)

    @property
    def left(self) -> int | None:
        """The files that were not processed; None when neither the manifest nor the list of them says how many."""
        if self.unprocessed_files is not None or not self.error_codes:
            return self.unprocessed_files
        return sum(self.error_codes.values())

    @property
    def notable(self) -> bool:
        """Whether files were not processed, or it is not known."""
        return bool(self.problem or self.left)

    @property
    def text(self) -> str:
        """The sentence for people. It has no place and no name."""
        if not self.numbered:
            return _PROBLEMS[self.problem or "Unavailable"]
        files, left = self.input_files, self.left
        if not left:
            return "All files were processed." if left == 0 else _UNKNOWN
        of = f"{left:,} of {files:,}" if files is not None else f"{left:,}"
        codes = ", ".join(f"{number:,} × {code}" for code, number in self.error_codes.items())
        why = codes or "the list of them could not be read"
        return f"{of} files {'was' if left == 1 else 'were'} not processed: {why}."

    @property
    def complete(self) -> bool:
        """Whether everything was read: nothing would replace it."""
        return self.problem is None


_UNKNOWN = "The manifest does not say whether all files were processed."
_PROBLEMS: dict[str, str] = {
    "NoOutputLocation": "The job has no output location.",
    "BucketNotConfigured": "The job's manifest is outside of this deployment's output buckets.",
    "ManifestNotFound": "No manifest was found.",
    "AccessDenied": "S3 denied the manifest: it does not exist, or this deployment may not read it.",
    "NotAManifest": "The job's manifest has another form.",
    "TooLarge": "The job's manifest is too large.",
    "Unavailable": "S3 did not return the job's manifest.",
}


def output_in(job: Mapping[str, Any]) -> Output | None:
    """Return the `Output` of the API's job; None when it has none."""
    try:
        return msgspec.convert(job["Output"], Output) if "Output" in job else None
    except msgspec.ValidationError:
        return None


def output_of(row: Row) -> Output | None:
    """Return what the row of a job says that it processed; None when it says nothing, or nothing readable."""
    try:
        return _decoder.decode(str(row[ATTRIBUTE])) if ATTRIBUTE in row else None
    except msgspec.DecodeError:
        return None


_decoder = msgspec.json.Decoder(Output)


def with_output(job: str, output: str | None) -> str:
    """Return the JSON of a job with its `Output`, if it has one that can be read, as the last member."""
    return f"{job[:-1]}{OUTPUT_MEMBER}{output}}}" if output and is_object(output) else job
