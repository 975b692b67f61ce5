"""What `make local` shows: each line is a real request, or a real e-mail."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from botocore import xform_name

from local.comprehend_medical.families import OPERATIONS, Family, Verb
from local.comprehend_medical.jobs import WILL_END_IN_PART
from local.processes import LocalError
from local.session import Session

ADDRESS = "you@example.org"
MAIL_SECONDS = 60.0
# The schedule syncs each minute, and alerts are sent once a minute.
ALERT_SECONDS = 180.0
SYNC_AGAIN_SECONDS = 5.0
# A job's manifest is read when its end arrives through the stream.
OUTPUT_SECONDS = 60.0
SOURCES_SECONDS = 60.0
READ_DAYS = 30
READS_MANIFESTS = "OutputsFunctionName"
"""The stack's output, which it has with the setting outputBuckets only."""

Check = Callable[[], None]


class Story:
    """Shows requests, a digest and an alert. `mail` is the folder of the e-mails that the local AWS sends.

    `comprehend_endpoint` is that of the stand-in, or None when no jobs are to be started there.
    """

    def __init__(
        self,
        session: Session,
        mail: Path,
        comprehend_endpoint: str | None,
        check: Check,
        sources: Sequence[str] = (),
    ) -> None:
        self._session = session
        self._mail = mail
        self._comprehend_endpoint = comprehend_endpoint
        self._check = check
        self._sources = sources
        self._failing = ""
        self._in_part = ""
        self._synced = time.monotonic()

    def parts(self) -> Iterator[str]:
        """Yield the parts as they happen."""
        self._subscribe()
        yield from self._requests()
        if self._comprehend_endpoint:
            yield from self._start_jobs(self._comprehend_endpoint)
            if self._sources:
                yield from self._start_in_sources(self._comprehend_endpoint)
            if READS_MANIFESTS in self._session.outputs:
                yield self._read_manifests()
        yield f"A digest of the last day, as {ADDRESS} gets it:\n\n{self._digest()}"
        if self._comprehend_endpoint:
            yield f"Waiting for an alert, up to {ALERT_SECONDS:.0f} s: will-fail fails in a quarter of a minute."
            yield self._alert()
            if READS_MANIFESTS in self._session.outputs:
                yield self._processed()
        yield f"$ jobledger doctor\n{self._session.doctor()}"

    def _subscribe(self) -> None:
        sns = self._session.client("sns")
        for output in ("DigestTopicArn", "JobAlertsTopicArn"):
            arn = self._session.outputs[output]
            sns.subscribe(TopicArn=arn, Protocol="email", Endpoint=ADDRESS)

    def _requests(self) -> Iterator[str]:
        first = {"MaxResults": "3"}
        answer = self._session.request(first)
        yield self._session.exchange(first, answer)
        newest = answer["ComprehendMedicalAsyncJobPropertiesList"][:1]
        submitted = newest[0]["SubmitTime"] if newest else "2026-01-01T00:00:00.000Z"
        month = datetime.datetime.fromisoformat(submitted) - datetime.timedelta(days=30)
        filtered = {"JobStatus": "FAILED", "SubmitTimeAfter": f"{month:%Y-%m-%dT%H:%M:%SZ}"}
        filtered["MaxResults"] = "2"
        yield self._session.exchange(filtered, self._session.request(filtered))

    def _start_jobs(self, endpoint: str) -> Iterator[str]:
        """Start four jobs with the calls of the service, in the families of the deployment."""
        client = self._session.client("comprehendmedical", endpoint)
        families = self._session.families()
        names = ("my-notes-1", "my-notes-2", WILL_END_IN_PART, "will-fail")
        lines = []
        for number, name in enumerate(names):
            family = families[number % len(families)]
            job_id = started(client, family, name)
            if name == WILL_END_IN_PART:
                self._in_part = family
            lines.append(f"{start_of(family).replace('_', '-')} --job-name {name}: {job_id}")
        self._failing = job_id
        yield "Four jobs are started, as with `aws comprehendmedical`:\n" + "\n".join(lines)

    def _start_in_sources(self, endpoint: str) -> Iterator[str]:
        """Start a job in each source, and wait until the API lists all of them."""
        family, name = self._session.families()[0], "in-each-source"
        lines = [
            f"{source}: {started(self._session.client('comprehendmedical', endpoint, source), family, name)}"
            for source in self._sources
        ]
        yield f"A job {name} is started in each source:\n" + "\n".join(lines)
        asked = {"Family": family, "JobName": name}
        deadline = time.monotonic() + SOURCES_SECONDS
        while True:
            self._sync_again()
            answer = self._session.request(asked)
            found = len(answer["ComprehendMedicalAsyncJobPropertiesList"])
            if found == len(lines) or time.monotonic() > deadline:
                break
            time.sleep(1)
        yield self._session.exchange(asked, answer)
        account, _, region = self._sources[-1].partition("/")
        asked |= {"Account": account, "Region": region}
        yield self._session.exchange(asked, self._session.request(asked))

    def _read_manifests(self) -> str:
        """Let the manifests of the jobs be read that ended before the deployment."""
        payload = json.dumps({"Days": READ_DAYS})
        answer = self._invoke(READS_MANIFESTS, payload)
        return f"What the jobs of the last {READ_DAYS} days processed is read, 100 jobs a minute: {payload} gives {answer}"

    def _processed(self) -> str:
        """Return what the job that ended in part processed, as the API shows it."""
        asked = {"Family": self._in_part, "JobName": WILL_END_IN_PART, "MaxResults": "1"}
        deadline = time.monotonic() + OUTPUT_SECONDS
        while True:
            self._sync_again()
            answer = self._session.request(asked)
            jobs = answer["ComprehendMedicalAsyncJobPropertiesList"]
            if (jobs and "Output" in jobs[0]) or time.monotonic() > deadline:
                return self._session.exchange(asked, answer)
            time.sleep(1)

    def _sync_again(self) -> None:
        """Sync every few seconds: the schedule does each minute. Not by `ConsistentRead`, which has the API's time limit."""
        self._check()
        if time.monotonic() - self._synced > SYNC_AGAIN_SECONDS:
            self._invoke("SyncFunctionName", "{}")
            self._synced = time.monotonic()

    def _invoke(self, output: str, payload: str) -> str:
        """Return a function's result, as JSON."""
        function = self._session.outputs[output]
        invoked = self._session.client("lambda").invoke(
            FunctionName=function, Payload=payload.encode()
        )
        answer: str = invoked["Payload"].read().decode()
        if "FunctionError" in invoked:
            raise LocalError(f"the function {function} failed: {answer}")
        return answer

    def _digest(self) -> str:
        """Publish a digest of the last day, and return it as it comes by e-mail."""
        # A window of its own, which does not affect the first digest of the schedule.
        end = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=3)
        start = end - datetime.timedelta(days=1)
        window = {"WindowStart": start.isoformat(), "WindowEnd": end.isoformat()}
        self._invoke("DigestFunctionName", json.dumps(window))
        text = self._mail_of("DigestTopicArn", "", MAIL_SECONDS, self._check)
        if text is None:
            raise LocalError(f"no digest came by e-mail within {MAIL_SECONDS:.0f} s")
        return text

    def _alert(self) -> str:
        """Return the alert about will-fail, or say that none came. First a sync has to see that the job failed."""
        text = self._mail_of("JobAlertsTopicArn", self._failing, ALERT_SECONDS, self._sync_again)
        if text is None:
            return "No alert has come yet. They are sent for the statuses of the setting alertOn."
        return f"The alert, as {ADDRESS} gets it:\n\n{text}"

    def _mail_of(self, output: str, text: str, seconds: float, meanwhile: Check) -> str | None:
        """Return the first e-mail of a topic that contains a text. Alarms also send e-mails to the topic of alerts."""
        topic = self._session.outputs[output].rpartition(":")[2]
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            meanwhile()
            for file in sorted(self._mail.glob(f"*-{topic}.txt")):
                if text in (mail := file.read_text()):
                    return mail.rstrip()
            time.sleep(0.2)
        return None


def start_of(family: str) -> str:
    """Return the client's method that starts a job of a family."""
    starts = {op.family: name for name, op in OPERATIONS.items() if op.verb is Verb.START}
    return str(xform_name(starts[Family(family)]))


def started(client: Any, family: str, name: str) -> str:
    """Start a job; return its id."""
    job_id: str = getattr(client, start_of(family))(**job_named(name))["JobId"]
    return job_id


def job_named(name: str) -> dict[str, object]:
    """Return the parameters of a job that is started."""
    return {
        "JobName": name,
        "LanguageCode": "en",
        "InputDataConfig": {"S3Bucket": "my-notes", "S3Key": "in/"},
        "OutputDataConfig": {"S3Bucket": "my-notes", "S3Key": "out/"},
        "DataAccessRoleArn": "arn:aws:iam::111122223333:role/comprehend-medical",
    }
