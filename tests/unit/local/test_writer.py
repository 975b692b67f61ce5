"""What the stand-in writes to the local S3."""

import time

from local.comprehend_medical.manifests import Kind, Object, Outcome
from local.comprehend_medical.writer import Writer
from testing.scripted_server import Scripted, answering


def test_a_local_aws_that_enforces_iam_gets_signed_requests():
    buckets = set()

    def answer(request):
        if " Credential=test/" not in request.headers.get("authorization", ""):
            return Scripted(403)
        bucket, _, key = request.path[1:].partition("/")
        if not key:
            buckets.add(bucket)
        return Scripted(200 if bucket in buckets else 404)

    with answering(answer) as s3:
        writer = Writer(s3.url, lambda: 0, lambda: None)
        objects = (
            Object("notes", "a b/Manifest", b"{}"),
            Object("notes", "old", b"", archived=True),
        )
        writer.add(time.time(), Outcome(Kind.WHOLE, objects, {}))
        writer.wait()
        paths = ["/notes/a%20b/Manifest", "/notes", "/notes/a%20b/Manifest", "/notes/old"]
        assert [request.target for request in s3.received] == paths
        assert s3.received[-1].headers["x-amz-storage-class"] == "GLACIER"
