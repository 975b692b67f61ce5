"""The JSON of a job as the API has it: the stored one, with what its key and its output add. No AWS calls."""

from jobledger.errors import NotUnderstood
from jobledger.jobs import is_object
from jobledger.ledger.output import ATTRIBUTE, with_output
from jobledger.ledger.table import Row, text_of
from jobledger.sources import TAG, source_of_key


class ShownJobs:
    """The jobs of a ledger as the API has them. `scope` is its own source, `sources` are those of the setting, if any.

    With the setting, each job has its `Account` and `Region`, and one of a source that was removed from the setting also
    `SourceRemoved`. So have the jobs of other sources when the setting was removed as a whole.
    """

    def __init__(self, scope: str, sources: tuple[str, ...]) -> None:
        self._own = _members(scope, removed=scope not in sources) if sources else ""
        self._of = {source: _members(source, removed=False) for source in sources}

    def of_row(self, row: Row) -> str:
        """Return the JSON of the job of a row. Raises NotUnderstood when it is damaged."""
        if not is_object(str(row["Job"])):
            raise NotUnderstood("a job")
        return self.text(str(row["Job"]), str(row["SK"]), text_of(row, ATTRIBUTE))

    def text(self, job: str, sort_key: str, output: str | None = None) -> str:
        """Return the JSON of a job from what its row has; the output comes last."""
        if TAG not in sort_key:
            members = self._own
        else:
            # Most rows are of a known source: this saves the search for the tag.
            members = self._of.get(sort_key.rpartition(TAG)[2]) or self._other(sort_key)
        if members:
            job = job[:-1] + members
        return with_output(job, output) if output else job

    def _other(self, sort_key: str) -> str:
        source = source_of_key(sort_key)
        return _members(source, removed=True) if source else self._own


def _members(source: str, *, removed: bool) -> str:
    """Return the members of the source, and the end of the object."""
    account, _, region = source.partition("/")
    end = ',"SourceRemoved":true}' if removed else "}"
    return f',"Account":"{account}","Region":"{region}"{end}'
