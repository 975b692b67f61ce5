"""A program that sends requests with Python's signers, as docs/signing.md lists them.

It reads a JSON list of a signer's name and a URL each, and prints the list of statuses; 0 is a request that the signer
does not send. It runs in the environment of the clients, which has the signers; it imports nothing of this project.
"""

import json
import os
import sys
import urllib.error
import urllib.request
import warnings
from importlib import import_module
from urllib.parse import urlsplit

KEY, SECRET = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
TOKEN, REGION = os.environ["AWS_SESSION_TOKEN"], os.environ["AWS_REGION"]
SERVICE = "execute-api"


def by_botocore(url):
    request = import_module("botocore.awsrequest").AWSRequest("GET", url)
    credentials = import_module("boto3").Session().get_credentials()
    import_module("botocore.auth").SigV4Auth(credentials, SERVICE, REGION).add_auth(request)
    signed = urllib.request.Request(request.url, headers=dict(request.headers.items()))
    try:
        with urllib.request.urlopen(signed) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def by_requests(make_auth):
    return lambda url: import_module("requests").get(url, auth=make_auth(url)).status_code


@by_requests
def aws4auth(_):
    auth = import_module("requests_aws4auth").AWS4Auth
    return auth(KEY, SECRET, REGION, SERVICE, session_token=TOKEN)


@by_requests
def aws_requests_auth(url):
    auth = import_module("aws_requests_auth.aws_auth").AWSRequestsAuth
    return auth(KEY, SECRET, urlsplit(url).netloc, REGION, SERVICE, aws_token=TOKEN)


@by_requests
def requests_auth_aws_sigv4(_):
    keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "aws_session_token": TOKEN}
    return import_module("requests_auth_aws_sigv4").AWSSigV4(SERVICE, region=REGION, **keys)


def by_httpx(url):
    """Through a proxy, so that the URL has no port: the signer leaves it out."""
    keys = {"access_key": KEY, "secret_key": SECRET, "token": TOKEN}
    auth = import_module("httpx_auth_awssigv4").SigV4Auth(service=SERVICE, region=REGION, **keys)
    parts = urlsplit(url)
    with import_module("httpx").Client(proxy=f"http://{parts.netloc}") as client:
        without_port = parts._replace(netloc="a1b2c3d4e5.execute-api.us-east-1.amazonaws.com")
        return client.get(without_port.geturl(), auth=auth).status_code


def by_libcurl(url):
    """libcurl with the option behind `curl --aws-sigv4`, in a version that sorts."""
    pycurl = import_module("pycurl")
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url.encode())
    curl.setopt(pycurl.AWS_SIGV4, f"aws:amz:{REGION}:{SERVICE}")
    curl.setopt(pycurl.USERPWD, f"{KEY}:{SECRET}")
    curl.setopt(pycurl.HTTPHEADER, [f"x-amz-security-token: {TOKEN}"])
    curl.setopt(pycurl.WRITEFUNCTION, lambda _: None)
    curl.perform()
    return curl.getinfo(pycurl.RESPONSE_CODE)


SIGNERS = {
    "botocore": by_botocore,
    "requests-aws4auth": aws4auth,
    "aws-requests-auth": aws_requests_auth,
    "requests-auth-aws-sigv4": requests_auth_aws_sigv4,
    "httpx-auth-awssigv4": by_httpx,
    "curl 8.3 and newer": by_libcurl,
}


def status_of(name, url):
    try:
        return SIGNERS[name](url)
    except Exception as error:  # each library has its own
        print(name, url, error, file=sys.stderr)
        return 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    json.dump([status_of(name, url) for name, url in json.load(sys.stdin)], sys.stdout)
