"""The events and the environment of the measured functions. Standard library only: it runs on the bundle, too."""

import base64
from typing import Any

SCOPE = "111122223333/us-east-1"
# The properties of a look-up, as the bench's KMS encrypts them.
_ENCRYPTED = base64.b64encode(b'{"JobName": "no-such-job", "MustExist": "false"}').decode()


def environment_of(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "LEDGER_TABLE_NAME": "ledger",
        "LEDGER_SCOPE": SCOPE,
        # One family: a second would wait for its slot of the shared rate limit.
        "FAMILIES": "SNOMEDCT",
        "SYNC_MINUTES": "1",
        "SYNC_FUNCTION_NAME": "sync",
        "DIGEST_FUNCTION_NAME": "digest",
        "DIGEST_TOPIC_ARN": "arn:aws:sns:us-east-1:111122223333:digest",
        "DIGEST_TIMEZONE": "UTC",
        "DIGEST_SCHEDULE": "cron(0 8 * * ? *)",
        "IDEMPOTENCY_TABLE_NAME": "idempotency",
        "KEY_ARN": "arn:aws:kms:us-east-1:111122223333:key/1",
        "INCLUDE_JOB_DETAILS": "false",
        "EVENT_SOURCE": "jobledger",
        "POWERTOOLS_SERVICE_NAME": "job-ledger",
        "POWERTOOLS_METRICS_NAMESPACE": "JobLedger",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "POWERTOOLS_TRACER_CAPTURE_RESPONSE": "false",
        "POWERTOOLS_TRACER_CAPTURE_ERROR": "false",
    }


def request(path: str, **query: object) -> dict[str, Any]:
    """Return the event of one GET request, as API Gateway sends it."""
    sent = {name: str(value) for name, value in query.items()}
    return {
        "resource": path,
        "path": path,
        "httpMethod": "GET",
        "headers": {"Accept": "*/*", "Host": "example.org", "User-Agent": "bench"},
        "multiValueHeaders": {"Accept": ["*/*"], "Host": ["example.org"], "User-Agent": ["bench"]},
        "queryStringParameters": sent or None,
        "multiValueQueryStringParameters": {n: [v] for n, v in sent.items()} or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "accountId": "111122223333",
            "apiId": "id",
            "stage": "v1",
            "path": f"/v1{path}",
            "resourcePath": path,
            "httpMethod": "GET",
            "identity": {"sourceIp": "192.0.2.1", "userAgent": "bench"},
        },
        "body": None,
        "isBase64Encoded": False,
    }


def first_event(name: str, number: int) -> Any:
    """Return the event with which a function is started; `number` tells repeated starts apart."""
    return {
        "api": request("/jobs"),
        "sync": {},
        "digest": {"IdempotencyKey": f"start-{number}"},
        "changes": {"Records": [_change(number)]},
        "look-up": {
            "RequestType": "Create",
            "StackId": "arn:aws:cloudformation:us-east-1:111122223333:stack/s/1",
            "RequestId": "r",
            "LogicalResourceId": "Job",
            "PhysicalResourceId": "p",
            "StartedAt": "2026-11-24T00:00:00.000Z",
            "ResourceProperties": {"Encrypted": _ENCRYPTED},
        },
    }[name]


def _change(number: int) -> dict[str, Any]:
    observed = "2026-11-24T00:00:00.000Z"
    row = {
        "PK": f"{SCOPE}/SNOMEDCT#changes",
        "SK": f"{observed}#{number:032x}",
        "Family": "SNOMEDCT",
        "JobId": f"{number:032x}",
        "ObservedAt": observed,
        "JobStatus": "COMPLETED",
    }
    image = {name: {"S": value} for name, value in row.items()}
    return {"dynamodb": {"SequenceNumber": str(number), "NewImage": image}}
