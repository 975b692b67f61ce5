"""The 200 List calls of 100,000 jobs, by boto3 alone. Prints the processor seconds.

python -m bench.peers.bare_fill ENDPOINT
"""

import json
import sys
import time

import boto3


def main(endpoint: str) -> None:
    """Walk the list."""
    client = boto3.client("comprehendmedical", endpoint_url=endpoint)
    began = time.process_time()
    jobs, calls = 0, 0
    token: dict[str, str] = {}
    while True:
        answer = client.list_snomedct_inference_jobs(MaxResults=500, **token)
        jobs += len(answer["ComprehendMedicalAsyncJobPropertiesList"])
        calls += 1
        if not answer.get("NextToken"):
            break
        token = {"NextToken": answer["NextToken"]}
    print(json.dumps({"calls": calls, "jobs": jobs, "seconds": time.process_time() - began}))


if __name__ == "__main__":
    main(sys.argv[1])
