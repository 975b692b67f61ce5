"""Requests that mix good and bad values at random: no 5xx, and no answer that our OpenAPI document does not have.

tests/e2e/test_api_generated.py makes others from the document itself, with schemathesis.
"""

import json
import random
from typing import Any

import jsonschema_rs
import pytest

from jobledger.api.parameters import BOARD_PARAMETERS, LIST_PARAMETERS
from jobledger.handlers.api import handler
from jobledger.inputs.validation import Parameter
from jobledger.observability import logger
from jobledger.service import Family, JobStatus
from jobledger.times import rfc3339
from openapi.document import document
from testing.api import answer_of, event, running_api
from testing.builders import NOW, full_job
from testing.full import in_full
from tests.unit.inputs.edges import edges

GENERATED = in_full(5_000, 100_000)
BATCHES = 10
WINDOW = {"Start": rfc3339(NOW), "End": rfc3339(NOW)}
A_DIGEST = {"DigestId": "d", "MessageId": "m", "Window": WINDOW, "Counts": {}}


@pytest.fixture(scope="module")
def api():
    statuses = [*JobStatus]
    jobs = [full_job(n, JobStatus=statuses[n % 7], JobName=f"nightly-{n % 3}") for n in range(40)]
    with running_api() as running:
        for family in Family:
            running.fill(*jobs, family=family)
        running.mark_synced()
        running.answer_of_function = A_DIGEST
        logger.setLevel("CRITICAL")  # not a line for each request
        yield running
        logger.setLevel("INFO")


def texts_of(declared: Parameter) -> list[str]:
    on, _ = edges(declared.schema, text=True)
    return [json.dumps(value) if isinstance(value, bool) else str(value) for value in on]


GOOD = {name: texts_of(declared) for name, declared in (LIST_PARAMETERS | BOARD_PARAMETERS).items()}
GOOD |= {"JobName": ["nightly-1", "none"], "JobNamePrefix": ["nightly", "x"]}
GOOD["Format"] += ["csv", "csv-bom", "ndjson"]
PATHS = ["/jobs"] * 8 + ["/board"] * 2
PATHS += ["/summary", "/health", "/digests", "/openapi.json", "/docs", "/docs/docs.js", "/board/board.css"]  # fmt: skip
METHODS = ["GET"] * 12 + ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]


def any_text(source: random.Random) -> str:
    alphabets = ["09-:TZ.+ ", "azAZ_=", "\x00\r\n\t\"\\'<>", "é診\u2028\U0001f600\ud800"]
    alphabet = source.choice(alphabets)
    return "".join(source.choices(alphabet, k=source.choice([0, 1, 5, 40, 300])))


def a_request(source: random.Random, tokens: list[str]) -> dict[str, Any]:
    job_id = f"{source.randint(0, 50):032x}"
    of_jobs = [f"/jobs/{job_id}", f"/jobs/{any_text(source)}", f"/board/jobs/{job_id}"]
    path = source.choice([*PATHS, *of_jobs])
    query: dict[str, list[str]] = {}
    for name in source.sample(list(GOOD), source.choice([0, 1, 2, 3, 4])):
        good = tokens if name == "NextToken" and source.random() < 0.7 else GOOD[name]
        texts = [source.choice(good)] * source.choice([1, 1, 1, 1, 2])
        query[name] = texts if source.random() < 0.9 else [any_text(source)]
    if source.random() < 0.05:
        query[any_text(source)] = [any_text(source)]
    headers = {}
    if source.random() < 0.3:
        headers["Accept"] = source.choice(["text/csv", "*/*", "text/html", any_text(source)])
    if source.random() < 0.3:
        headers["Accept-Encoding"] = source.choice(["gzip", "br", any_text(source)])
    method = source.choice(["GET", "POST", "POST"] if path == "/digests" else METHODS)
    made = event(path, query, method=method, headers=headers)
    if method == "POST":
        body = source.choice(["", "{}", '{"WindowStart":1,"WindowEnd":2}', any_text(source)])
        made |= {"body": body, "isBase64Encoded": False}
        made["multiValueHeaders"] = {"Idempotency-Key": [source.choice(["k", any_text(source)])]}
    return made


@pytest.mark.full
@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_requests_get_answers_of_the_document_only(api, batch):
    source, tokens = random.Random(batch), ["AAAA"]
    paths, components = document()["paths"], document()["components"]
    validators = {
        name: jsonschema_rs.validator_for(
            {"$ref": f"#/components/schemas/{name}", "components": components}
        )
        for name in components["schemas"]
    }
    for _ in range(GENERATED // BATCHES):
        request = a_request(source, tokens)
        answer = answer_of(handler(request, api.context))
        assert answer.status < 500, (request, answer)
        media = answer.headers["Content-Type"].partition(";")[0]
        route = route_of(request["path"])
        responses = next(iter(paths[route].values()))["responses"] if route else {}
        documented = responses.get(str(answer.status), {})
        if "$ref" in documented or (answer.status == 404 and not documented):
            documented = components["responses"][str(answer.status)]
        assert media in documented.get("content", ()), (request, answer)
        if request["httpMethod"] != "HEAD" and media.endswith(("/json", "+json")):
            name = documented["content"][media]["schema"].get("$ref", "").rpartition("/")[2]
            if name and source.random() < 0.2:
                validators[name].validate(answer.json)
            tokens = [*tokens[-20:], answer.json.get("NextToken", "AAAA")]


def route_of(path: str) -> str:
    path = path.removesuffix("\n").rstrip("/")  # as Powertools reads it
    routes = ("/jobs/{JobId}", "/docs/{Asset}", "/board/jobs/{JobId}", "/board/{Asset}")
    found = (route for route in routes if path.startswith(route.partition("{")[0]))
    return next(found, path)
