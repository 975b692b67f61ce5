"""The service without HTTP: the operations on jobs, and the control requests."""

import json
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local.comprehend_medical.errors import ServiceError
from local.comprehend_medical.families import OPERATIONS, Family, Operation, Verb
from local.comprehend_medical.faults import HANG, Calls, Faults, Taken, Throttle
from local.comprehend_medical.jobs import (
    ACTIVE,
    ENDED,
    Job,
    Properties,
    Step,
    life,
    milliseconds,
    new_job,
)
from local.comprehend_medical.model import check_input, job_id_in, parsed
from local.comprehend_medical.outputs import JobOutputs, shown
from local.comprehend_medical.sample import ACTIVE_EACH, plan_for, submitted_job
from local.comprehend_medical.settings import Hostility, Settings, as_dict, changed
from local.comprehend_medical.store import Store
from local.comprehend_medical.walks import (
    DEFAULT_PAGE,
    Query,
    Tokens,
    around,
    begin,
    turn,
)

Jobs = Mapping[Family, Iterable[Mapping[str, Any]]]


class Service:
    """The state of the stand-in. Public methods are thread-safe."""

    def __init__(
        self,
        jobs: Jobs | None = None,
        hostility: Hostility | None = None,
        settings: Settings | None = None,
        clock: Callable[[], float] = time.time,
        active_jobs_finish: bool = False,
        s3_endpoint: str = "",
    ) -> None:
        self.hostility = self._first_hostility = hostility or Hostility()
        self.settings = self._first_settings = settings or Settings()
        self.clock = clock
        self._lock = threading.RLock()
        self._tokens = Tokens(secrets.token_bytes(32))
        self._started: dict[tuple[Family, str], tuple[Properties, str]] = {}
        self._walks = 0
        with self._lock:  # the outputs have a thread, which looks at the jobs
            self._outputs = JobOutputs(
                s3_endpoint, lambda: self.settings.manifest_seconds, self._advance
            )
            self._store = Store(self._outputs.end)
            self._store.load(jobs or {}, clock())
            if active_jobs_finish:
                self._let_finish()
                self._outputs.end_all(self._store)
        self._forget()

    def _forget(self) -> None:
        self._faults = Faults()
        self._calls = Calls()
        self._reads, self._writes = Throttle(), Throttle()

    def _let_finish(self) -> None:
        now = self.clock()
        for family, shelf in self._store.shelves.items():
            for job in [job for job in shelf.jobs.values() if job.status in ACTIVE]:
                self._store.schedule(family, job, plan_for(job.properties, now))

    def _advance(self) -> None:
        """Let all happen that is due."""
        with self._lock:
            self._store.advance(self.clock(), self.hostility.expire_jobs)

    def start_sample_job(self, rng: random.Random) -> None:
        """Start a sample job of any family, unless the family has enough active ones."""
        with self._lock:
            now, family = self.clock(), rng.choice(list(Family))
            self._advance()
            if self._store.shelves[family].active() < ACTIVE_EACH:
                properties = submitted_job(rng, family, now)
                job = self._store.put(family, properties)
                self._store.schedule(family, job, plan_for(properties, now))

    # Operations of the service

    def call(self, name: str, body: str | bytes) -> str:
        """Execute one operation, JSON to JSON. Raises ServiceError."""
        operation = OPERATIONS.get(name)
        if operation is None:
            raise ServiceError("UnknownOperationException", f"{name or 'None'} is not implemented.")
        with self._lock:
            self._calls.add(name, self.clock())
            self._faults.check_on()
            taken = self._faults.take(name, job_id_in(body))
        self._suffer(taken)
        if taken.body is not None:
            return taken.body
        with self._lock:
            now = self.clock()
            self._throttle(operation, now)
            wanted = parsed(body)
            check_input(name, wanted)
            self._store.advance(now, self.hostility.expire_jobs)
            # Some clients send null for an omitted value.
            given = {key: value for key, value in wanted.items() if value is not None}
            return self._answer(operation, given, now)

    def _suffer(self, taken: Taken) -> None:
        if taken.delay:
            time.sleep(taken.delay)
        if taken.error:
            raise self._with_status(taken.error)

    def _with_status(self, error: ServiceError) -> ServiceError:
        if error.status is None and error.code == "TooManyRequestsException":
            error.status = self.settings.throttle_status
        return error

    def _throttle(self, operation: Operation, now: float) -> None:
        if not self.hostility.throttle:
            return
        if operation.verb in (Verb.LIST, Verb.DESCRIBE):
            passes = self._reads.passes(now, self.settings.read_rate)
        else:
            passes = self._writes.passes(now, self.settings.write_rate)
        if not passes:
            self._too_many("Rate exceeded.")

    def _too_many(self, message: str) -> None:
        raise self._with_status(ServiceError("TooManyRequestsException", message))

    def _answer(self, operation: Operation, wanted: Properties, now: float) -> str:
        family = operation.family
        match operation.verb:
            case Verb.START:
                return json.dumps({"JobId": self._start(family, wanted, now)})
            case Verb.STOP:
                return json.dumps({"JobId": self._stop(family, wanted["JobId"], now)})
            case Verb.DESCRIBE:
                job = self._find(family, wanted["JobId"])
                return f'{{"ComprehendMedicalAsyncJobProperties": {job.text}}}'
            case Verb.LIST:
                return self._list(family, wanted, now)

    def _find(self, family: Family, job_id: str) -> Job:
        job = self._store.shelves[family].by_id.get(job_id)
        if job is None:
            raise ServiceError("ResourceNotFoundException", "The job was not found.")
        return job

    def _start(self, family: Family, wanted: Properties, now: float) -> str:
        """Start a job. A repeated ClientRequestToken with the same request returns the same job."""
        token = wanted.get("ClientRequestToken")
        if token is not None and (family, token) in self._started:
            asked, job_id = self._started[family, token]
            if asked != wanted:
                message = "The ClientRequestToken was used for a different request."
                raise ServiceError("InvalidRequestException", message)
            return job_id
        if self._store.shelves[family].active() >= self.settings.active_limit:
            self._too_many(f"You can have at most {self.settings.active_limit} active jobs.")
        job_id = secrets.token_hex(16)
        properties = new_job(family, job_id, wanted, now, self.settings.retention_days)
        job = self._store.put(family, properties)
        self._store.schedule(family, job, life(properties, self.settings))
        if self.hostility.late_jobs:
            job.listed_from = now + self.settings.late_seconds
        if token is not None:
            self._started[family, token] = wanted, job_id
        return job_id

    def _stop(self, family: Family, job_id: str, now: float) -> str:
        """Stop a job. For ended jobs, only Amazon Comprehend's documentation defines the result."""
        job = self._find(family, job_id)
        if job.status in ENDED:
            if self.hostility.stop_refusals:
                message = f"The job has ended ({job.status}) and cannot be stopped."
                raise ServiceError("InvalidRequestException", message)
        elif job.status != "STOP_REQUESTED":
            stopped = now + self.settings.stopping_seconds
            self._store.shelves[family].change(job, {"JobStatus": "STOP_REQUESTED"})
            ended = {"JobStatus": "STOPPED", "EndTime": milliseconds(stopped)}
            self._store.schedule(family, job, [Step(stopped, ended)])
        return job_id

    def _list(self, family: Family, wanted: Properties, now: float) -> str:
        query = Query.of(family, wanted.get("Filter", {}), self.hostility.single_filter)
        shelf, seed = self._store.shelves[family], self.settings.seed
        token = wanted.get("NextToken")
        if token is None:
            self._walks += 1
            blanks = self._faults.take_empty_pages()
            shuffle = self.hostility.shuffle
            cursor = begin(query, shelf, self._walks, now, shuffle, seed, blanks)
        elif self._faults.refuses_token():
            raise ServiceError("InvalidRequestException", "The NextToken is not valid.")
        else:
            lifetime = (
                self.settings.token_seconds if self.hostility.expiring_tokens else float("inf")
            )
            cursor = self._tokens.open(query, token, now - lifetime)
        limit = wanted.get("MaxResults", DEFAULT_PAGE)
        page = turn(query, shelf, cursor, limit, self.hostility, now, seed)
        if self._faults.token_cycle:
            page = around(cursor, page)
        elif page.following is not None:
            page = page._replace(following=page.following._replace(issued=now))
        jobs = ", ".join([*self._faults.nulls(), *(job.text for job in page.jobs)])
        listed = f'"ComprehendMedicalAsyncJobPropertiesList": [{jobs}]'
        if page.following is None:
            return f"{{{listed}}}"
        return f'{{{listed}, "NextToken": "{self._tokens.seal(query, page.following)}"}}'

    # Control requests

    def change(self, **changes: Any) -> dict[str, Any]:
        """Change switches and settings by name; return all of them."""
        with self._lock:
            self.hostility, self.settings = changed(self.hostility, self.settings, changes)
            return as_dict(self.hostility, self.settings)

    def fault(self, **fault: Any) -> dict[str, Any]:
        """Add a fault in the form of `/_control/faults`; return the remaining faults."""
        with self._lock:
            self._faults.read(fault)
            return self._faults.shown()

    @property
    def hangs(self) -> bool:
        """Whether the source is switched off, so that calls get no answer until it is switched on."""
        return self._faults.off == HANG

    def reset(self) -> None:
        """Restore the initial settings, and clear faults and call counts. Jobs remain."""
        with self._lock:
            self.hostility, self.settings = self._first_hostility, self._first_settings
            self._forget()

    def calls(self) -> dict[str, Any]:
        """Return counts per operation, and the last 10,000 calls as (time, operation)."""
        with self._lock:
            return self._calls.shown()

    def put_jobs(self, jobs: Jobs, replace: bool = False) -> None:
        """Add jobs, or replace those with the same id; `replace` first drops all jobs and tokens."""
        with self._lock:
            if replace:
                self._store = Store(self._outputs.end)
                self._tokens = Tokens(secrets.token_bytes(32))
                self._started.clear()
            for family, listed in jobs.items():
                for properties in listed:
                    self._store.put(family, properties)

    def delete_jobs(self, job_ids: Mapping[Family, Iterable[str]]) -> int:
        """Delete jobs, as the service does with expired ones; return their number."""
        with self._lock:
            return sum(
                self._store.delete(family, job_id)
                for family, listed in job_ids.items()
                for job_id in listed
            )

    def jobs(self) -> dict[Family, list[Properties]]:
        """Return all current jobs, each family in submission order; times are epoch seconds."""
        with self._lock:
            self._advance()
            return {
                family: [job.properties for job in shelf.in_submit_order()]
                for family, shelf in self._store.shelves.items()
            }

    def outputs(self, *, write: bool = False) -> dict[Family, Properties]:
        """Return the kind and the `Output` of each ended job by its id; `write` first writes those that are not yet."""
        with self._lock:
            self._advance()
            if write:
                self._outputs.write_all(self._store)
            found = shown(self._store)
        if write:
            self._outputs.wait()
        return found

    def count(self) -> int:
        """Return the number of jobs."""
        with self._lock:
            return len(self._store)
