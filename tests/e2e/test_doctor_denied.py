"""What `jobledger doctor` says to a person who may not do everything, with IAM enforced."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.options import ROOT
from tests.e2e.stack import Inbox, wait_until
from tests.e2e.test_doctor import documented, findings, shape

pytestmark = pytest.mark.xdist_group("enforced")


def policy(name):
    """A documented policy, for what the local AWS calls by another name: the action that reads a mapping, and rules."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    text = text.replace("lambda:GetEventSourceMapping", "lambda:ListEventSourceMappings")
    return json.loads(text.replace("arn:aws:events:*:*:rule/jobledger-test-*", "*"))


def doctor(enforced, document, *policies, options=()):
    """The exit code, and the findings by check, for a new user with this policy and these managed ones."""
    credentials = enforced.caller(*(enforced.outputs[name] for name in policies))
    iam = enforced.client("iam")
    user = iam.get_access_key_last_used(AccessKeyId=credentials.access_key)["UserName"]
    iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=json.dumps(document))
    key = {"AWS_ACCESS_KEY_ID": credentials.access_key}
    code, checks = findings(enforced, *options, **key, AWS_SECRET_ACCESS_KEY=credentials.secret_key)
    return code, checks, user


def test_the_documented_policy_is_enough_with_those_of_callers_and_a_missing_one_is_named(enforced):
    document = policy("doctor-policy.json")
    code, checks, _ = doctor(enforced, document, "ReaderPolicyArn", "PublisherPolicyArn")
    assert {check["Status"] for check in checks.values()} <= {"ok", "local"}, checks
    assert code == 0

    document["Statement"][0]["Action"].remove("scheduler:GetSchedule")
    code, checks, user = doctor(enforced, document, "ReaderPolicyArn")
    assert code == 1
    assert {"schedules", "digests"} == {n for n, c in checks.items() if c["Status"] == "unknown"}
    assert checks["schedules"]["Permission"] == "scheduler:GetSchedule"
    assert "the policy PublisherPolicyArn is missing" in checks["publish digests"]["Meaning"]
    arn = enforced.outputs["PublisherPolicyArn"]
    command = f"aws iam attach-user-policy --user-name {user} --policy-arn {arn}"
    assert checks["publish digests"]["Mend"] == command


def test_the_documented_policy_is_enough_to_send_a_test_that_is_marked(enforced):
    inbox = Inbox(enforced, "doctor")
    inbox.subscribe("DigestTopicArn", "JobAlertsTopicArn")
    before = subscribed(enforced)
    both = policy("doctor-policy.json")
    both["Statement"] += policy("send-test-policy.json")["Statement"]
    with ThreadPoolExecutor() as pool:
        run = pool.submit(doctor, enforced, both, "ReaderPolicyArn", options=("--send-test",))
        while not run.done():
            enforced.invoke("JobAlerts/Function")  # the schedule does so each minute
            time.sleep(0.5)
    code, checks, _ = run.result()
    assert (code, list(checks)) == (0, ["digest", "chat digest", "event", "alert"]), checks
    shown = [check for _, check in shape(documented("jobledger doctor --send-test"))]
    assert [check for check in checks if check != "chat digest"] == shown

    def tests():
        messages = [json.loads(body) for body in inbox.receive()]
        found = {m["Subject"].partition("TEST")[0]: m for m in messages if "TEST" in m["Subject"]}
        return found.values() if found.keys() == {"[", "[job-ledger] "} else None

    both_tests = wait_until(tests, 10, "a test digest and a test alert have arrived")
    assert all(json.loads(message["Message"])["Test"] is True for message in both_tests)
    # Nothing of the test is left.
    assert subscribed(enforced) == before
    assert "jobledger-test" not in str(enforced.client("sqs").list_queues().get("QueueUrls"))
    assert "jobledger-test" not in str(enforced.client("events").list_rules()["Rules"])


def subscribed(enforced):
    return {s["Endpoint"] for s in enforced.client("sns").list_subscriptions()["Subscriptions"]}
