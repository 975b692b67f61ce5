"""A client of Comprehend Medical: `python -m soak.writer ENDPOINT FILE` starts and stops jobs until SIGTERM.

It calls the stand-in itself, without the faults in between, and writes which jobs it started.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from local.comprehend_medical.families import NOUNS
from local.comprehend_medical.sample import ODD_NAMES
from local.deployment import REGION

OPERATIONS = {family.value: xform_name(noun) for family, noun in NOUNS.items()}
OUTCOMES = ("COMPLETED", "COMPLETED", "COMPLETED", "PARTIAL_SUCCESS", "FAILED")
STOPPED_SHARE = 0.15
_PAUSE_SECONDS = 1.0


class Writer:
    """Starts jobs of all families; some it stops."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._random = random.Random(14)
        self._client: Any = boto3.client(
            "comprehendmedical",
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"mode": "standard", "total_max_attempts": 5}),
        )
        self.started: dict[str, str] = {}
        self.stopped: set[str] = set()
        self.refused = 0

    def step(self) -> None:
        """Start a job, as far as the service takes one more, and perhaps stop one."""
        family = self._random.choice(list(OPERATIONS))
        self._settings(
            outcome=self._random.choice(OUTCOMES),
            in_progress_seconds=self._random.choice((2, 5, 10, 20)),
            submitted_seconds=self._random.choice((1, 3, 6)),
        )
        try:
            job = self._call("start", family, **self._request())
            self.started[job] = family
            if self._random.random() < STOPPED_SHARE:
                self.stopped.add(job)
                self._call("stop", family, JobId=job)
        except ClientError:
            # Ten active jobs of the family, or too many calls a second.
            self.refused += 1

    def _request(self) -> dict[str, Any]:
        name = self._random.choice((f"soak-{len(self.started)}", *ODD_NAMES))
        return {
            "JobName": name,
            "LanguageCode": "en",
            "DataAccessRoleArn": "arn:aws:iam::111122223333:role/ComprehendMedical",
            "InputDataConfig": {"S3Bucket": "notes"},
            "OutputDataConfig": {"S3Bucket": "codes", "S3Key": "soak/"},
        }

    def _call(self, verb: str, family: str, **parameters: Any) -> str:
        answer = getattr(self._client, f"{verb}_{OPERATIONS[family]}")(**parameters)
        return str(answer["JobId"])

    def _settings(self, **settings: Any) -> None:
        request = urllib.request.Request(
            f"{self._endpoint}/_control/settings", json.dumps(settings).encode(), method="POST"
        )
        urllib.request.urlopen(request, timeout=60).close()


def main(endpoint: str, file: Path) -> None:
    """Start jobs until SIGTERM."""
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    writer = Writer(endpoint)
    while not stopped.wait(_PAUSE_SECONDS):
        writer.step()
        seen = {
            "Started": writer.started,
            "Stopped": sorted(writer.stopped),
            "Refused": writer.refused,
        }
        new = file.with_suffix(".new")
        new.write_text(json.dumps(seen))
        new.replace(file)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
