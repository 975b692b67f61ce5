"""One job: its properties, its history as a timeline, and commands to copy."""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from jobledger.board.markup import UTC, escaped, foreign, shortened, span, status_mark, time_mark
from jobledger.jobs import s3_uri
from jobledger.ledger.job_facts import duration_of
from jobledger.ledger.output import Output, output_in
from jobledger.service import PROPERTIES, Family, describe_command
from jobledger.wording import job_arguments

_MOST_BYTES = 16_384
_LOCATION = {"S3Bucket", "S3Key"}

_LABELS = {
    "JobId": "Job ID",
    "JobName": "Name",
    "JobStatus": "Status",
    "SubmitTime": f"Submitted ({UTC})",
    "EndTime": f"Ended ({UTC})",
    "ExpirationTime": f"Expires in the service ({UTC})",
    "InputDataConfig": "Input",
    "OutputDataConfig": "Output",
    "Output": "Processed",
    "LanguageCode": "Language",
    "DataAccessRoleArn": "Role",
    "ManifestFilePath": "Manifest",
    "KMSKey": "KMS key",
    "ModelVersion": "Model version",
    "SourceRemoved": "Source removed",
}

Job = Mapping[str, Any]
_CONSOLE = "console.aws.amazon.com"
_CONSOLE_OF_GOVERNMENTS = "console.amazonaws-us-gov.com"


def job_title(job: Job) -> str:
    """Return the name of a job as HTML; its id when it has none."""
    return foreign(str(job.get("JobName") or job["JobId"]))


def job_sections(described: Mapping[str, Any], region: str) -> str:
    """Return the sections of a job for the answer of `GET /jobs/{JobId}`; `region` is that of a job that shows none."""
    job: Job = described["ComprehendMedicalAsyncJobProperties"]
    region = job.get("Region", region)
    expired = bool(described.get("ExpiredUpstream"))
    return (
        f'<div class="pair"><section class="card" aria-labelledby="properties"><h2 id="properties">'
        f"Properties</h2><dl>{''.join(_properties(job))}</dl></section><div>"
        '<section class="card" aria-labelledby="history"><h2 id="history">History'
        f' <small>{UTC}</small></h2><ol class="timeline">{"".join(_timeline(job, described["History"]))}</ol>'
        f'</section><section class="card" aria-labelledby="commands"><h2 id="commands">Commands</h2>'
        f"{''.join(_commands(job, region, expired=expired))}</section></div></div>"
    )


def _properties(job: Job) -> Iterator[str]:
    known = [name for name in (*PROPERTIES, "Family") if name in job]
    added = [name for name in job if name not in known]
    for name in known + added:
        label = _LABELS.get(name) or shortened(name, 200)
        yield f"<div><dt>{label}</dt><dd>{_value(name, job[name])}</dd></div>"
        if name == "EndTime":
            took = span(duration_of(job.get("SubmitTime"), job["EndTime"]))
            yield f"<div><dt>Duration</dt><dd>{took}</dd></div>"


def _value(name: str, value: Any) -> str:
    if name == "JobStatus":
        return status_mark(str(value))
    if name in ("SubmitTime", "EndTime", "ExpirationTime"):
        return time_mark(str(value))
    # A location that has other members as well is shown as JSON, so that none is lost.
    if (
        name in ("InputDataConfig", "OutputDataConfig")
        and (uri := s3_uri(value))
        and not value.keys() - _LOCATION
    ):
        return f'<bdi class="code">{shortened(uri, _MOST_BYTES)}</bdi>'
    if name == "Output" and (output := output_in({name: value})):
        return f"<bdi>{shortened(_processed(output), _MOST_BYTES)}</bdi>"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"<bdi>{shortened(text, _MOST_BYTES)}</bdi>"


def _processed(output: Output) -> str:
    """Return what a job processed, and where its manifest was looked for if that is not known."""
    facts = [output.text]
    if output.numbered and output.input_files is not None and output.left == 0:
        facts = [f"{output.input_files:,} files, all processed."]
    if output.characters is not None:
        facts.append(f"{output.characters:,} characters are billed.")
    if output.seconds is not None:
        facts.append(f"It took {span(output.seconds)}.")
    if output.location:
        facts.append(f"Looked at: {output.location}")
    return " ".join(facts)


def _timeline(job: Job, history: list[dict[str, str]]) -> Iterator[str]:
    """Yield a job's events in the order of time. The ledger can observe an end long after it happened."""
    steps = [(job.get("SubmitTime") or "", "Submitted", "in the service")]
    if job.get("EndTime"):
        steps.append((job["EndTime"], "Ended", "in the service"))
    steps += [
        (seen["ObservedAt"], status_mark(seen.get("JobStatus")), "observed by the ledger")
        for seen in history
    ]
    for time, what, where in sorted(steps, key=lambda step: step[0]):
        yield f"<li>{what}<small>{time_mark(time)}, {where}</small></li>"


def _commands(job: Job, region: str, *, expired: bool) -> Iterator[str]:
    job_id = str(job["JobId"])
    source = f"{job['Account']}/{region}" if "Account" in job else None
    arguments = job_arguments(job_id, source)
    yield _command("Job Ledger", f"jobledger job {arguments}")
    note = "AWS CLI (the service no longer has this job)" if expired else "AWS CLI"
    describe = describe_command(Family(job["Family"]))
    yield _command(
        note,
        f"aws comprehendmedical {describe} --job-id={shlex.quote(job_id)} --region {region}",
    )
    if "Account" in job:
        yield _console(job["Account"], region)
    output = output_in(job)
    if output and output.left:
        yield _command("Files that were not processed", f"jobledger job --files {arguments}")
    if path := s3_uri(job.get("OutputDataConfig")):
        yield _command("Output in S3", path)


def _console(account: str, region: str) -> str:
    """Return the link to the console of the job's region. Which account it opens is the browser's session."""
    domain = _CONSOLE_OF_GOVERNMENTS if region.startswith("us-gov-") else _CONSOLE
    address = f"https://{region}.{domain}/comprehend/home?region={region}"
    return (
        f'<h3>Console</h3><p><a href="{escaped(address)}" rel="external">Comprehend Medical in '
        f"{escaped(region)}</a>, signed in to the account {escaped(account)}</p>"
    )


def _command(label: str, command: str) -> str:
    # Pasted into a terminal, a control character could act, and a direction mark could mislead.
    if not command.isprintable():
        return f'<h3>{label}</h3><p class="empty">It has characters that a terminal could not show safely.</p>'
    return (
        f'<h3>{label}</h3><div class="copied"><pre class="copy" dir="ltr" tabindex="0">'
        f"<code>{escaped(command)}</code></pre></div>"
    )
