"""A stand-in for Amazon Comprehend Medical's batch jobs, because no AWS emulator has them.

It speaks AWS JSON 1.1, checks input by botocore's own service model, and implements Start, Stop,
Describe and List for all five families. It does what AWS documents. Where the documents are silent, it does the worst
that they allow, and each such behaviour is a switch of `Hostility`.

    python -m local.comprehend_medical --port 4600 --jobs jobs.json --tame shuffle,late_jobs

In a test:

    from local.comprehend_medical import Family, Hostility, Server, Settings, sample_jobs

    with Server(jobs={Family.PHI: [...]}, hostility=Hostility(throttle=False)) as server:
        client = boto3.client("comprehendmedical", endpoint_url=server.endpoint, ...)
        server.fault(Operation="List*", Error="TooManyRequestsException", HttpStatus=400, Count=3)
        ...
        assert server.calls()["Counts"] == {"ListPHIDetectionJobs": 4}

With `s3_endpoint`, the manifests of jobs that end are written there, and those of the sample account; some late, some
damaged (`manifests.Kind`). `Server` binds port 0 by default, takes a `clock` that replaces time.time, and begins without jobs
unless given some: `sample_jobs(now)` makes an account, `load_jobs(path)` and `read_jobs(content)`
read what the AWS CLI prints. It has, in process, what `/_control/` offers over HTTP:

    change(**names)           POST settings  {"short_pages": false, "outcome": "FAILED"}
    fault(**fault)            POST faults    {"Operation": "List*", "Error": "…", "HttpStatus": 400,
                                              "Message": "…", "Delay": 0.5, "Count": 3, "Skip": 2}
                                             {"TokenCycle": true} {"EmptyPages": 1000}
                                             {"RefuseTokens": 1}
                                             {"Off": "Hang"}
    put_jobs(jobs, replace)   POST jobs      {"Replace": {family: [job]}, "Delete": {family: [id]},
    delete_jobs(ids)                          "Put": {family: [job]}}
    jobs()                    GET jobs       every job as of now, late ones too, in submit order
    outputs(write=False)      GET outputs    {family: {JobId: {"Kind": "Late", "Output": {…}}}}: what an
                                             ended job's manifest says; POST also writes it to S3
    calls()                   GET calls      {"Counts": {operation: n},
                                              "Calls": [[time, operation]]}
    reset()                   POST reset     first settings, no faults, no calls; the jobs stay

It stands for one source, an account and region, until others are named; then each has jobs, settings, faults, calls and
quotas of its own, and the signature of a request says which it reaches. `server.source("111122223333/eu-west-1")` is
another source's `Service`; over HTTP it is selected with `POST /_control/faults?Account=111122223333&Region=eu-west-1`.
The fault {"Off": "Hang"} switches a source off until {"Off": ""}; "Refuse" closes connections, "AccessDenied" denies.

`Service` is the same without a socket: `call(operation, json)` answers JSON or raises ServiceError.
"""

from local.comprehend_medical.errors import (
    ControlError,
    JobsFileError,
    ServiceError,
    StandInError,
)
from local.comprehend_medical.families import Family
from local.comprehend_medical.loading import load_jobs, read_jobs
from local.comprehend_medical.sample import sample_jobs
from local.comprehend_medical.server import Server
from local.comprehend_medical.service import Service
from local.comprehend_medical.settings import Hostility, Settings

__all__ = [
    "ControlError",
    "Family",
    "Hostility",
    "JobsFileError",
    "Server",
    "Service",
    "ServiceError",
    "Settings",
    "StandInError",
    "load_jobs",
    "read_jobs",
    "sample_jobs",
]
