"""The outputs of ended jobs: written to S3 when a job ends, and given to tests as the truth."""

import time
from collections.abc import Callable, Iterator

from local.comprehend_medical.families import Family
from local.comprehend_medical.jobs import ENDED, Job, Properties
from local.comprehend_medical.manifests import WITH_MANIFEST, manifest_path, outcome_of
from local.comprehend_medical.store import Shelf, Store
from local.comprehend_medical.writer import Writer


class JobOutputs:
    """The outputs of the jobs of a store, whose lock the callers hold. Without an endpoint nothing is written."""

    def __init__(
        self, s3_endpoint: str, late_seconds: Callable[[], float], look_for_ends: Callable[[], None]
    ) -> None:
        self._writer = Writer(s3_endpoint, late_seconds, look_for_ends) if s3_endpoint else None
        self._written: set[str | None] = set()

    def end(self, family: Family, shelf: Shelf, job: Job) -> None:
        """Write the output of a job, and let the job say where. No document says which statuses do."""
        if self._writer is None:
            return
        properties = job.properties
        if job.status in WITH_MANIFEST and "OutputDataConfig" in properties:
            shelf.change(job, {"ManifestFilePath": manifest_path(properties)})
        self._write(family, job)

    def end_all(self, store: Store) -> None:
        """The same for all ended jobs, the newest first."""
        for family, job in _ended(store):
            self.end(family, store.shelves[family], job)

    def write_all(self, store: Store) -> None:
        """Write the outputs of all ended jobs that are not written yet, and leave the jobs as they are."""
        for family, job in _ended(store):
            self._write(family, job)

    def wait(self) -> None:
        """Wait until all is written that is not late. The only caller is a test's control request."""
        if self._writer:
            self._writer.wait()

    def _write(self, family: Family, job: Job) -> None:
        if self._writer and job.job_id not in self._written:
            self._written.add(job.job_id)
            self._writer.add(time.time(), outcome_of(family, job.properties))


def shown(store: Store) -> dict[Family, Properties]:
    """Return the kind and the `Output` of each ended job, by its id."""
    found: dict[Family, Properties] = {family: {} for family in Family}
    for family, job in _ended(store):
        outcome = outcome_of(family, job.properties)
        found[family][str(job.job_id)] = {"Kind": outcome.kind, "Output": outcome.output}
    return found


def _ended(store: Store) -> Iterator[tuple[Family, Job]]:
    for family, shelf in store.shelves.items():
        jobs = [job for job in shelf.in_submit_order() if job.job_id and job.status in ENDED]
        yield from ((family, job) for job in reversed(jobs))
