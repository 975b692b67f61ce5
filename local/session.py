"""A caller of the local deployment: its API, and clients of its AWS services."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

import boto3

from local.comprehend_medical.sources import OWN_SOURCE
from local.options import ROOT
from local.processes import LocalError

Json = Any
LISTS_SHOWN = 3
FIRST_SYNC_SECONDS = 60


class Session:
    """A caller of the deployed API. `outputs` are those of the stack."""

    def __init__(self, api_url: str, aws_endpoint: str, outputs: dict[str, str]) -> None:
        self._api_url = api_url
        self.outputs = outputs
        self._aws_endpoint = aws_endpoint
        self._common: dict[str, str] = {}

    def client(self, service: str, endpoint: str | None = None, source: str = OWN_SOURCE) -> Any:
        """Return a client with the credentials and the region of a source."""
        account, _, region = source.partition("/")
        return boto3.client(
            service,
            endpoint_url=endpoint or self._aws_endpoint,
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key="test",
        )

    def open_methods(self) -> None:
        """Allow unsigned requests, because the emulator cannot verify signatures.

        The emulator only requires some Authorization header, which protects nothing and excludes browsers
        and plain curl. The deployed template is unchanged: in AWS every method has IAM authorization.
        Signed requests work as well. The API's policy, which only the deployment with SOURCES enforces, is removed.
        """
        gateway = self.client("apigateway")
        api = self._api_url.split("/")[4]
        pages = gateway.get_paginator("get_resources").paginate(restApiId=api, embed=["methods"])
        without_policy = {"op": "replace", "path": "/policy", "value": ""}
        gateway.update_rest_api(restApiId=api, patchOperations=[without_policy])
        change = {"op": "replace", "path": "/authorizationType", "value": "NONE"}
        for resource in (resource for page in pages for resource in page["items"]):
            for method in resource.get("resourceMethods", {}):
                gateway.update_method(
                    restApiId=api,
                    resourceId=resource["id"],
                    httpMethod=method,
                    patchOperations=[change],
                )

    def wait_for_first_sync(self, check: Callable[[], None]) -> None:
        """Verify that the deployment's first sync is done: the API reports AsOf."""
        families = self.families()
        self._common = {} if "SNOMEDCT" in families else {"Family": families[0]}
        deadline = time.monotonic() + FIRST_SYNC_SECONDS
        while True:
            check()
            status, answer = self.get(MaxResults="1")
            if status == http.HTTPStatus.OK and answer.get("AsOf"):
                return
            if time.monotonic() > deadline:
                raise LocalError(f"no first sync: GET /jobs answers {status}, {json.dumps(answer)}")
            time.sleep(0.5)

    def families(self) -> list[str]:
        """Return the families of the deployment."""
        function = self.outputs["ApiFunctionName"]
        configuration = self.client("lambda").get_function_configuration(FunctionName=function)
        chosen: str = configuration["Environment"]["Variables"].get("FAMILIES", "SNOMEDCT")
        return chosen.split(",")

    def url(self, **parameters: str) -> str:
        query = urllib.parse.urlencode({**self._common, **parameters}, safe=":")
        return f"{self._api_url}/jobs?{query}"

    def get(self, **parameters: str) -> tuple[int, Json]:
        try:
            with urllib.request.urlopen(self.url(**parameters), timeout=60) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, {"body": error.read().decode(errors="replace")}
        except (OSError, ValueError) as error:
            return 0, {"error": str(error)}

    def doctor(self) -> str:
        """Return what `jobledger doctor` prints, also when it finds problems."""
        stack = self.outputs["ApiFunctionName"].partition("-ApiFunction")[0]
        command = [sys.executable, "-m", "job_ledger", "doctor", "--name", stack]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.rstrip() or done.stderr

    def request(self, parameters: dict[str, str]) -> Json:
        status, answer = self.get(**parameters)
        if status != http.HTTPStatus.OK:
            raise LocalError(f"{self.url(**parameters)} answers {status}: {json.dumps(answer)}")
        return answer

    def exchange(self, parameters: dict[str, str], answer: Json) -> str:
        return f'$ curl "{self.url(**parameters)}"\n{shown(answer)}'


def shown(value: Json) -> str:
    """Return JSON for people: indented, with long lists shortened."""
    if isinstance(value, str):
        return value
    return json.dumps(shortened(value), indent=2, ensure_ascii=False)


def shortened(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: shortened(inner) for key, inner in value.items()}
    if isinstance(value, list):
        # One job of a page shows what a job looks like.
        limit = 1 if value and isinstance(value[0], dict) else LISTS_SHOWN
        more = [f"… {len(value) - limit} more"] if len(value) > limit else []
        return [shortened(inner) for inner in value[:limit]] + more
    if isinstance(value, str) and len(value) > 160:
        return f"{value[:60]}… ({len(value)} characters)"
    return value
