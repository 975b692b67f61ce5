"""A stack that deploys look-ups: through the provider framework, on a ledger in memory, synced from the stand-in."""

import hashlib
import json
from typing import Any

from jobledger.handlers import lookup as handlers
from testing.builders import listed_job
from tests.functional.lookup.provider import Provider

MINUTE, HOUR, DAY = 60, 3600, 86_400

PLACES: dict[str, Any] = {
    "InputDataConfig": {"S3Bucket": "notes", "S3Key": "in/2026/"},
    "OutputDataConfig": {"S3Bucket": "codes", "S3Key": "out/"},
}
TOO_LONG: dict[str, Any] = {
    "InputDataConfig": {"S3Bucket": "b" * 63, "S3Key": "i" * 1024},
    "OutputDataConfig": {"S3Bucket": "b" * 63, "S3Key": "ü" * 1024},
    "ManifestFilePath": "m" * 1024,
}
NIGHTLY = {"JobName": "nightly-notes", "ModelVersion": "3.0.0", **PLACES}
WITHOUT_KEY = {"OutputDataConfig": {"S3Bucket": "codes"}, "ManifestFilePath": "out/Manifest"}
JOBS = [
    listed_job("a" * 32, 3 * DAY, **NIGHTLY),
    listed_job("b" * 32, 2 * DAY, **NIGHTLY),
    listed_job("c" * 32, 1 * DAY, "FAILED", JobName="nightly-notes", Message="No documents."),
    listed_job("d" * 32, 5 * HOUR, JobName="once", **PLACES),
    listed_job("e" * 32, 4 * HOUR, "PARTIAL_SUCCESS", JobName="part", **WITHOUT_KEY),
    listed_job("f" * 32, 3 * HOUR, JobName="too-long", **TOO_LONG),
]


class Kms:
    """A KMS client: its cipher text can be read only with the key and context that made it."""

    def __init__(self):
        self.asked = []
        self.before = lambda operation: None

    def encrypt(self, **asked):
        return {"CiphertextBlob": self._turned("Plaintext", asked)}

    def decrypt(self, **asked):
        return {"Plaintext": self._turned("CiphertextBlob", asked)}

    def _turned(self, given, asked):
        self.before(given)
        self.asked.append(asked)
        secret = json.dumps([asked["KeyId"], asked["EncryptionContext"]], sort_keys=True).encode()
        stream = hashlib.shake_256(secret).digest(len(asked[given]))
        assert len(asked[given]) <= 4096
        return bytes(a ^ b for a, b in zip(asked[given], stream, strict=True))


class Stack:
    """What CloudFormation does for a stack with one look-up in it."""

    def __init__(self, world):
        self.world = world
        self.syncs = []
        self.sync_error = None
        self.kms = Kms()
        self.begun = world.clock.seconds
        self.provider = Provider(handlers.on_event, handlers.is_complete, world.clock.forward)

    def sync(self, payload):
        self.syncs.append(payload)
        if self.sync_error:
            raise self.sync_error
        done = self.world.sync()
        return {"Families": {"SNOMEDCT": {"AsOf": done.as_of}}}

    @property
    def seconds(self):
        """How long it has taken so far; each sync takes one."""
        return self.world.clock.seconds - self.begun

    def create(self, **properties):
        return self.provider.answer("Create", properties)

    def found(self, **properties):
        answer = self.create(**properties)
        assert answer["Status"] == "SUCCESS", answer["Reason"]
        return answer["Data"]

    def refused(self, **properties):
        answer = self.create(**properties)
        assert answer["Status"] == "FAILED"
        return answer["Reason"].removeprefix("Error: ").partition("\n")[0]

    def start_job(self, name="tonight", **settings):
        """A job that takes two minutes."""
        self.world.server.change(submitted_seconds=20.0, in_progress_seconds=100.0, **settings)
        return self.world.client().start_snomedct_inference_job(
            JobName=name,
            LanguageCode="en",
            DataAccessRoleArn="arn:aws:iam::111122223333:role/ComprehendMedical",
            **PLACES,
        )["JobId"]
