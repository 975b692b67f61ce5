"""What jobs processed, with the setting outputBuckets."""

from collections import Counter

from job_ledger.answers import JOBS
from job_ledger.doctor.deployment import Deployment
from job_ledger.doctor.findings import Check, Finding, named, ok, problem

_NEWEST = 20
# The statuses whose jobs have a manifest; AWS does not say whether the others do.
_ENDED = (
    ("Family", "ALL"),
    ("JobStatus", "COMPLETED"),
    ("JobStatus", "PARTIAL_SUCCESS"),
    ("MaxResults", "100"),
)


def newest(deployment: Deployment) -> Finding:
    """Whether the manifests of the newest jobs that were looked for could be read."""
    if "OutputsFunctionName" not in deployment.outputs:
        return ok("No manifests are read: outputBuckets is not set.")
    jobs = deployment.document("/jobs", query=_ENDED).get(JOBS, [])
    outputs = [job["Output"] for job in jobs if "Output" in job][:_NEWEST]
    if not outputs:
        return ok(
            "The newest jobs have no output yet. A manifest is looked for when its job ends, and for a day."
        )
    problems = Counter(output["Problem"] for output in outputs if "Problem" in output)
    text = f"{len(outputs) - problems.total()} of the {len(outputs)} newest outputs were read"
    if problems:
        text += f", and not: {named(f'{n} × {name}' for name, n in problems.most_common())}"
    if 2 * problems.total() > len(outputs):
        return problem(f"{text}.", "docs/runbook.md#outputs-failing")
    return ok(f"{text}.")


CHECKS = (Check("outputs", newest),)
