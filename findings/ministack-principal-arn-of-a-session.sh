#!/bin/sh
# MiniStack gives the key aws:PrincipalArn of a role's session as the ARN of the session, not of the role.
#
# A trust policy that names an account, and the role of the caller in a condition on aws:PrincipalArn, is the usual way
# to trust a role that need not exist yet. AWS: "For IAM roles, the request context returns the ARN of the role, not the
# ARN of the user that assumed the role" (IAM User Guide, AWS global condition context keys, aws:PrincipalArn).
# Expected: the role's session may assume the other role. Fails when MiniStack's behaviour has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ministack==1.5.33 boto3==1.43.106
cat > "$folder/shown.py" <<'PYTHON'
import importlib.metadata
import json
import os
import socket
import subprocess
import sys
import time

import boto3
from botocore.exceptions import ClientError

ACCOUNT, HOME = "111122223333", sys.argv[1]
CALLER = f"arn:aws:iam::{ACCOUNT}:role/caller"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/caller/shown"
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
settings = {"AUTH": "true", "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
settings |= {"STATE_DIR": f"{HOME}/state", "S3_DATA_DIR": f"{HOME}/s3", "TMPDIR": HOME}
settings |= {"IOT_MTLS_ENABLED": "0", "DOCKER_HOST": f"unix://{HOME}/no-docker"}
server = subprocess.Popen(
    [sys.executable, "-m", "ministack"],
    env=os.environ | settings,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)


def client(service, access_key=ACCOUNT, secret="any", token=None):
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        aws_session_token=token,
    )


def trust(arn):
    condition = {"StringEquals": {"aws:PrincipalArn": arn}} if arn else {}
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Condition": condition}]})


def assume(sts, name):
    try:
        answer = sts.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", RoleSessionName="shown")
    except ClientError as error:
        return error.response["Error"]["Code"]
    return answer["Credentials"]


try:
    for _ in range(120):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.5)
    iam = client("iam")
    for name, arn in (("caller", None), ("by-role", CALLER), ("by-session", SESSION)):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(arn))
    allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName="caller", PolicyName="assume", PolicyDocument=policy)
    given = assume(client("sts"), "caller")
    session = client("sts", given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    seen = {name: assume(session, name) for name in ("by-role", "by-session")}
finally:
    server.terminate()
    server.wait(30)
names = ("ministack", "boto3")
print(*(f"{name} {importlib.metadata.version(name)}" for name in names))
print("expected: the condition on the role's ARN is met, the one on the session's is not")
shown = {name: "AccessDenied" if it == "AccessDenied" else "allowed" for name, it in seen.items()}
print("seen:", shown)
assert shown == {"by-role": "AccessDenied", "by-session": "allowed"}
PYTHON
"$folder/venv/bin/python" "$folder/shown.py" "$folder"
