"""Publishes one digest per window: claim the window, publish, record the publication.

A run first completes an earlier run's claim. A run that loses a race finds the winner's claim, and then
either its publication or, if the winner was killed, the same message to publish in its place.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from jobledger import metrics
from jobledger.digest.claims import Claim, DigestMessages, DigestState, Rows, Sent
from jobledger.digest.content import Digest
from jobledger.digest.message import render_messages
from jobledger.digest.parts import Verdict
from jobledger.digest.text import TextOptions
from jobledger.digest.windows import Window
from jobledger.errors import DigestInProgress, JobLedgerError, MessageInvalid, PublishRefused
from jobledger.observability import logger, publish_metrics, step
from jobledger.sns import Notification

# A clock change can make a week of daily runs two hours shorter. With a full week, the digest would then wait
# for the run of the next day.
_HEARTBEAT = timedelta(days=7) - timedelta(hours=2)
_POLL_SECONDS = 1.0


class When(StrEnum):
    """Which scheduled digests are published. A suppressed digest's window is part of the next one."""

    ALWAYS = "always"
    CHANGES = "changes"
    ATTENTION = "attention"

    def wants(self, digest: Digest) -> bool:
        """Whether to publish a digest.

        One a week is published in any case: without it, silence could also mean that digests are broken.
        """
        if self is When.ALWAYS or digest.window.seconds >= _HEARTBEAT.total_seconds():
            return True
        if self is When.CHANGES and digest.counts.total():
            return True
        return digest.verdict is not Verdict.OK


class Outcome(msgspec.Struct, frozen=True):
    """The result of a run: the last digest, and whether this run published it."""

    sent: Sent
    published: bool


class Reader(Protocol):
    """Reads digests of the whole ledger, or of one source."""

    def first_start(self, end: str, known: str | None) -> str:
        """Return the start of the first window; `known` is the one of an earlier attempt."""

    def read(
        self, window: Window, now: datetime, *, first_start: str | None, covers_gap: bool
    ) -> Digest:
        """Return the contents of the digest of a closed window. Raises LedgerUnavailable."""


class Publish(Protocol):
    """Publishes one message at most once per key and returns its MessageId."""

    def __call__(self, key: str, notification: Notification) -> str:
        """Raise what `Notifier.publish` raises, and DigestInProgress while another run publishes."""


class Topics(msgspec.Struct, frozen=True):
    """The publishers of digests; `chat` is None without chatDigests."""

    digest: Publish
    chat: Publish | None


class Delivery(msgspec.Struct, frozen=True):
    """Runs of the digest function. `patience` is the time to wait for another run, in seconds.

    `covered` is the time up to which the digests of another series have all changes, if there are any: those of the sources
    before one of the whole ledger, and the other way round.
    """

    reader: Reader
    options: TextOptions
    topics: Topics
    now: Callable[[], datetime]
    patience: float
    schedule: str = ""
    covered: str | None = None
    sleep: Callable[[float], Any] = time.sleep

    def publish_next(
        self, rows: Rows, end: str, when: When, *, scheduled: bool, request: str | None = None
    ) -> Outcome:
        """Publish the digest from the end of the last one to `end`, if `when` requires it.

        The first digest is always published. `request` identifies a call: a repeated call gets the same
        digest. Each round does one step, from the row as it is then:

        | the row says                                     | step                       |
        |--------------------------------------------------|----------------------------|
        | a digest is claimed, by this run or by another   | publish it and record that |
        | the last digest covers `end`, or is the call's   | return it                  |
        | the digest that is due is not wanted             | return the last one        |
        | a digest is due                                  | claim it                   |
        """
        waiting = _Waiting(self.patience, self.sleep)
        # The id of the digest that this run has claimed, and of the one that it has published.
        claimed = settled = None
        while True:
            state = rows.load().known_at(self.now()).continuing(self.covered)
            if state.claim is not None:
                key = state.claim.digest_id
                if self._settle(rows, state, key, waiting, fresh=key == claimed):
                    settled = key
                continue
            last, covered = state.last, state.covered_until(self.now())
            if (self.covered or end) < end:
                covered = max(covered or state.first_start or "", self.covered or "") or None
            if last is not None and (
                end <= (covered or "")
                or last.digest_id == claimed
                or (request is not None and request == last.request)
            ):
                published = last.digest_id == settled
                break
            digest = self._read_next(state, covered, end, scheduled=scheduled)
            if last is not None and not when.wants(digest):
                published = False
                break
            claim = self._claim(digest, request, scheduled=scheduled)
            start = state.first_start or digest.window.start
            if rows.save(replace(state, claim=claim, first_start=start)) is not None:
                claimed = claim.digest_id
        if scheduled and end > (state.scheduled_end or ""):
            # The run was not missed, although it published nothing or a digest on demand covers its window.
            rows.save(state.after_run(self.schedule, end))
        return Outcome(last, published=published)

    def named(self, rows: Rows, window: Window, request: str | None) -> Sent:
        """Publish the digest of one closed window, once for each `request`. The schedule's state stays as it is."""
        waiting = _Waiting(self.patience, self.sleep)
        claimed = False
        while True:
            state = rows.load()
            if state.claim is not None:
                claim = state.claim
                key = "#".join(filter(None, (claim.digest_id, claim.request)))
                self._settle(rows, state, key, waiting, fresh=claimed)
                continue
            if state.last is not None and state.last.request == request:
                return state.last
            digest = self._read(window, first_start=None, covers_gap=False)
            claim = self._claim(digest, request, scheduled=False)
            claimed = rows.save(replace(state, claim=claim)) is not None

    def _read_next(
        self, state: DigestState, covered: str | None, end: str, *, scheduled: bool
    ) -> Digest:
        start = covered or self.reader.first_start(end, state.first_start)
        return self._read(
            Window(start, end),
            first_start=state.first_start,
            covers_gap=scheduled and state.is_gap(self.schedule, end),
        )

    def _read(self, window: Window, *, first_start: str | None, covers_gap: bool) -> Digest:
        with step("ReadDigest") as put:
            digest = self.reader.read(
                window, self.now(), first_start=first_start, covers_gap=covers_gap
            )
            put("Jobs", digest.counts.total())
        return digest

    def _claim(self, digest: Digest, request: str | None, *, scheduled: bool) -> Claim:
        messages = render_messages(digest, self.options)
        return Claim.of(digest, messages, request, scheduled=scheduled)

    def _settle(
        self, rows: Rows, state: DigestState, key: str, waiting: "_Waiting", *, fresh: bool
    ) -> bool:
        """Publish the claimed digest and record it; False when another run did so or is doing so.

        When SNS rejects this run's own claim, the claim is dropped, and a later run covers its window. An
        earlier run's claim stays: SNS may have accepted that run's attempt.
        """
        claim = state.claim
        assert claim is not None
        messages = DigestMessages.unpack(claim.messages)
        try:
            message_id = self.topics.digest(key, messages.digest)
        except DigestInProgress:
            waiting.once()
            return False
        except PublishRefused as refusal:
            if fresh or isinstance(refusal, MessageInvalid):
                rows.save(replace(state, claim=None))
            raise
        self._publish_to_chat(f"{key}#chat", messages.chat)
        settled = replace(state, claim=None, last=claim.sent(message_id))
        if claim.scheduled:
            settled = settled.after_run(self.schedule, claim.end)
        if rows.save(settled) is None:
            return False
        publish_metrics({metrics.DIGESTS_PUBLISHED: 1, metrics.DIGESTS_RESUMED: int(not fresh)})
        return True

    def _publish_to_chat(self, key: str, notification: Notification) -> None:
        """Publish to the chat topic. An error is only logged and counted: the digest is already published."""
        if self.topics.chat is None:
            return
        try:
            self.topics.chat(key, notification)
        except JobLedgerError as error:
            logger.error("chat digest not published", extra={"error": error.name})
            publish_metrics({metrics.CHAT_FAILURES: 1})


class _Waiting:
    """Waits for another run, up to a total time."""

    def __init__(self, patience: float, sleep: Callable[[float], Any]) -> None:
        self._left = patience
        self._sleep = sleep

    def once(self) -> None:
        """Wait briefly; raise DigestInProgress when the total time is over."""
        if self._left <= 0:
            raise DigestInProgress
        self._sleep(_POLL_SECONDS)
        self._left -= _POLL_SECONDS
