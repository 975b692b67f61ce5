"""Powertools with its validation, as its documentation has it (event handler, data validation)."""

from datetime import datetime
from typing import Annotated, Any

import boto3
from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, ConfigDict

logger = Logger()
tracer = Tracer()
app = APIGatewayRestResolver(enable_validation=True)
client = boto3.client("comprehendmedical")


class Job(BaseModel):
    """A job; other properties pass through."""

    model_config = ConfigDict(extra="allow")
    JobId: str
    JobName: str | None = None
    JobStatus: str
    SubmitTime: datetime
    EndTime: datetime | None = None


class Page(BaseModel):
    """One page of jobs."""

    ComprehendMedicalAsyncJobPropertiesList: list[Job]
    NextToken: str | None = None


@app.get("/jobs")
@tracer.capture_method(capture_response=False)
def get_jobs(max_results: Annotated[int, Query(alias="MaxResults", ge=1, le=500)] = 100) -> Page:
    """Return one page of jobs."""
    answer = client.list_snomedct_inference_jobs(MaxResults=max_results)
    return Page(**{name: answer.get(name) for name in Page.model_fields})


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle one API Gateway request."""
    return app.resolve(event, context)
