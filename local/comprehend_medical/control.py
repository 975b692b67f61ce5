"""The control paths: JSON requests with which a test in another process controls the stand-in."""

import json
from collections.abc import Mapping
from typing import Any

from local.comprehend_medical.errors import ControlError
from local.comprehend_medical.families import Family
from local.comprehend_medical.loading import read_jobs
from local.comprehend_medical.service import Service

PATHS = (
    "GET or POST /_control/faults, GET or POST /_control/jobs, GET or POST /_control/settings, "
    "GET or POST /_control/outputs, GET /_control/calls, POST /_control/reset"
)


def control(service: Service, method: str, path: str, body: bytes) -> Any:
    """Execute a control request and return the result as JSON data."""
    wanted = _object(body)
    match method, path.removeprefix("/_control/"):
        case "POST", "faults":
            return service.fault(**wanted)
        case "GET", "faults":
            return service.fault()
        case "POST", "settings":
            return service.change(**wanted)
        case "GET", "settings":
            return service.change()
        case "POST", "jobs":
            return {"Jobs": _change_jobs(service, wanted)}
        case "GET", "jobs":
            return service.jobs()
        case "GET" | "POST", "outputs":
            return service.outputs(write=method == "POST")
        case "GET", "calls":
            return service.calls()
        case "POST", "reset":
            service.reset()
            return {}
        case _:
            raise ControlError(f"{method} {path} is unknown; there are {PATHS}")


def _object(body: bytes) -> dict[str, Any]:
    try:
        wanted = json.loads(body or b"{}")
    except ValueError as error:
        raise ControlError(f"the body is not JSON: {error}") from error
    if not isinstance(wanted, dict):
        raise ControlError("the body is not a JSON object")
    return wanted


def _change_jobs(service: Service, wanted: Mapping[str, Any]) -> int:
    """Replace all jobs, delete some and add some, in this order; return the number of jobs."""
    for key in wanted:
        if key not in ("Replace", "Delete", "Put"):
            raise ControlError(f"{key} is unknown; there are Replace, Delete, Put")
    put = read_jobs(wanted.get("Put", {}))
    delete = _read_ids(wanted.get("Delete", {}))
    if "Replace" in wanted:
        service.put_jobs(read_jobs(wanted["Replace"]), replace=True)
    service.delete_jobs(delete)
    service.put_jobs(put)
    return service.count()


def _read_ids(wanted: object) -> dict[Family, list[str]]:
    allowed = f"an object of {', '.join(Family)} to lists of JobIds"
    if not isinstance(wanted, dict) or not set(wanted) <= set(Family):
        raise ControlError(f"Delete is {wanted!r}; allowed is {allowed}")
    for ids in wanted.values():
        if not isinstance(ids, list) or not all(isinstance(job_id, str) for job_id in ids):
            raise ControlError(f"Delete is {wanted!r}; allowed is {allowed}")
    return {Family(name): ids for name, ids in wanted.items()}
