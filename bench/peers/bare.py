"""boto3 and json, and nothing else: the measure of all ratios."""

import json
from typing import Any

import boto3

client = boto3.client("comprehendmedical")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Return one page of jobs."""
    query = event.get("queryStringParameters") or {}
    answer = client.list_snomedct_inference_jobs(MaxResults=int(query.get("MaxResults", 100)))
    jobs = answer["ComprehendMedicalAsyncJobPropertiesList"]
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps({"ComprehendMedicalAsyncJobPropertiesList": jobs}, default=str),
    }
