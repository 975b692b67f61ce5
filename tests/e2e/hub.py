"""A hub of three accounts and two regions on a local AWS of its own, which enforces IAM."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local.options import ROOT
from local.session import Session
from local.sources import sources_of
from tests.e2e.account import made_up_jobs, rfc3339, start_phi_job
from tests.e2e.local_aws import OwnAws, own_aws
from tests.e2e.stack import Stack

SOURCES = sources_of("3")
OWN, MEMBER, LATE = ("000000000000", "111122223333", "222233334444")
OWN_SOURCE, MEMBER_SOURCE, LATE_SOURCE = SOURCES[0], SOURCES[3], SOURCES[4]
# Of the same ids and times in every source, with names of its own.
EARLIER = datetime.now(UTC) - timedelta(hours=5)
FAILED = {
    **made_up_jobs({"PHI": 1})["PHI"][0],
    "JobId": "f" * 32,
    "JobStatus": "FAILED",
    "SubmitTime": rfc3339(EARLIER),
    "EndTime": rfc3339(EARLIER + timedelta(hours=1)),
}
JOBS = [FAILED, *made_up_jobs({"PHI": 8})["PHI"]]
SETTINGS = ("families=PHI", "syncMinutes=60")


def named(source: str) -> dict[str, list[dict]]:
    return {"PHI": [job | {"JobName": source.replace("/", ":")} for job in JOBS]}


@dataclass(frozen=True)
class Hub(Stack):
    own: OwnAws

    def sync(self) -> dict[str, str | None]:
        """Sync all sources; return the error of each."""
        answer = self.invoke("SyncFunctionName")["Sources"]
        return {source: run["Families"]["PHI"].get("Error") for source, run in answer.items()}

    def jobs(self, **filters: str) -> list[dict]:
        """Every job, from pages of seven."""
        pages = self.pages(Family="PHI", MaxResults=7, **filters)
        return [job for page in pages for job in page]

    def unhealthy(self) -> dict[str, str]:
        """The sources whose last sync failed, with the error."""
        found = {f"{s['Account']}/{s['Region']}": s for s in self.get("/health").json["Sources"]}
        assert tuple(sorted(found)) == tuple(sorted(SOURCES))
        errors = {source: one["Families"]["PHI"]["LastError"] for source, one in found.items()}
        return {source: error["Name"] for source, error in errors.items() if error}

    def start(self, source: str, name: str) -> str:
        """Start a job with the root user of the source's account."""
        account, _, region = source.partition("/")
        return start_phi_job(self.client("comprehendmedical", account, region=region), name)

    @contextlib.contextmanager
    def deployed_with(self, *settings: str) -> Iterator[None]:
        """Deploy the hub with other settings, and then as before. The API keeps its address."""
        assembly = self.own.aws.assembly
        before = assembly.rename(assembly.with_name("cdk.before.out"))
        self.own.deploy(*SETTINGS, *settings)
        self.open()
        yield
        shutil.rmtree(assembly)
        before.rename(assembly)
        self.own.deploy_again()
        self.open()

    def open(self) -> None:
        """Let the API accept requests that are not signed."""
        Session(self.api_url, self.aws_endpoint, self.outputs).open_methods()


@contextlib.contextmanager
def deployed_hub() -> Iterator[Hub]:
    """A hub of six sources, one of whose members is not deployed yet."""
    state_dir = ROOT / ".local" / "sources"
    for assembly in ("cdk.member.out", "cdk.before.out"):
        shutil.rmtree(state_dir / assembly, ignore_errors=True)
    with own_aws(state_dir, named(OWN_SOURCE), "--sources", "3") as own:
        for source in SOURCES:
            own.control("settings", source, late_jobs=False, expire_jobs=False)
            own.control("jobs", source, Put=named(source))
        own.deploy_member(MEMBER)
        outputs = own.deploy(*SETTINGS)
        hub = Hub(*own.places(outputs), own)
        hub.open()
        yield hub


def source_of(job: dict) -> str:
    return f"{job['Account']}/{job['Region']}"


def assert_all_once_and_in_order(jobs: list[dict], expected: set[tuple[str, str]]) -> None:
    keys = [(source_of(job), job["JobId"]) for job in jobs]
    assert len(set(keys)) == len(keys)
    assert set(keys) == expected
    submitted = [job["SubmitTime"] for job in jobs]
    assert submitted == sorted(submitted, reverse=True)


def everywhere(*sources: str) -> set[tuple[str, str]]:
    return {(source, str(job["JobId"])) for source in sources for job in JOBS}
