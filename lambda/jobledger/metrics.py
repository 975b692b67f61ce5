"""Every metric that the functions emit. The only place where the functions name a metric.

All have the dimension `service`. CloudWatch bills each combination of name and dimensions, so only a metric that
an alarm reads for each family has the dimension `Family`; elsewhere the family is a property of the log line.
"""

from typing import Literal, NamedTuple


class Metric(NamedTuple):
    """A metric's name in CloudWatch, its unit, and whether each family has its own."""

    name: str
    unit: Literal["Count", "Seconds"] = "Count"
    per_family: bool = False


AS_OF_AGE = Metric("AsOfAgeSeconds", "Seconds", per_family=True)
COUNTERS_REPAIRED = Metric("CountersRepaired")
JOBS_ALTERED = Metric("JobsAltered")
JOBS_OBSERVED = Metric("JobsObserved")
SYNC_FAILURES = Metric("SyncFailures")
SYNC_TIME = Metric("SyncSeconds", "Seconds")
TRANSITIONS = Metric("Transitions")
UPSTREAM_CALLS = Metric("UpstreamCalls")
UPSTREAM_THROTTLES = Metric("UpstreamThrottles")

OUTPUT_PROBLEMS = Metric("OutputProblems")
OUTPUTS_FAILING = Metric("OutputsFailing")

RECORDS_PUT_ASIDE = Metric("RecordsPutAside")
ROWS_SKIPPED = Metric("RowsSkipped")

EVENT_FAILURES = Metric("EventFailures")
EVENTS_SENT = Metric("EventsSent")
JOB_DURATION = Metric("JobSeconds", "Seconds")

CHAT_FAILURES = Metric("ChatFailures")
DIGEST_FAILURES = Metric("DigestFailures")
DIGEST_RUNS = Metric("DigestRuns")
DIGESTS_PUBLISHED = Metric("DigestsPublished")
DIGESTS_RESUMED = Metric("DigestsResumed")

LOOKUP_WAIT = Metric("LookupWaitSeconds", "Seconds")
LOOKUPS_FAILED = Metric("LookupsFailed")
LOOKUPS_FOUND = Metric("LookupsFound")
