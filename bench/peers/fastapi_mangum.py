"""FastAPI behind Mangum, as their documentation has it."""

from datetime import datetime
from typing import Annotated

import boto3
from fastapi import FastAPI, Query
from mangum import Mangum
from pydantic import BaseModel, ConfigDict

app = FastAPI()
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
def get_jobs(max_results: Annotated[int, Query(alias="MaxResults", ge=1, le=500)] = 100) -> Page:
    """Return one page of jobs."""
    answer = client.list_snomedct_inference_jobs(MaxResults=max_results)
    return Page(**{name: answer.get(name) for name in Page.model_fields})


handler = Mangum(app, lifespan="off")
