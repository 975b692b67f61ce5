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
    credentials = enforced.caller(*policies)
    iam = enforced.client("iam")
    user = iam.get_access_key_last_used(AccessKeyId=credentials.access_key)["UserName"]
    if document:
        iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=json.dumps(document))
    key = {"AWS_ACCESS_KEY_ID": credentials.access_key}
    code, checks = findings(enforced, *options, **key, AWS_SECRET_ACCESS_KEY=credentials.secret_key)
    return code, checks, user


def not_ok(checks):
    return {name: c["Status"] for name, c in checks.items() if c["Status"] not in ("ok", "local")}


def test_the_documented_policy_and_those_of_callers_are_enough(enforced):
    both = (enforced.outputs["ReaderPolicyArn"], enforced.outputs["PublisherPolicyArn"])
    code, checks, _ = doctor(enforced, policy("doctor-policy.json"), *both)
    assert (code, not_ok(checks)) == (0, {}), checks


@pytest.mark.parametrize(
    "check, given, missing",
    [
        ("publish digests", "ReaderPolicyArn", "PublisherPolicyArn"),
        ("read the API", "PublisherPolicyArn", "ReaderPolicyArn"),
    ],
)
def test_a_denied_caller_learns_which_policy_is_missing(enforced, check, given, missing):
    code, checks, user = doctor(enforced, policy("doctor-policy.json"), enforced.outputs[given])
    assert code == 1
    assert checks[check]["Status"] == "problem"
    assert f"the policy {missing} is missing" in checks[check]["Meaning"]
    arn = enforced.outputs[missing]
    command = f"aws iam attach-user-policy --user-name {user} --policy-arn {arn}"
    assert checks[check]["Mend"] == command


def test_a_missing_permission_is_named_and_the_other_checks_look(enforced):
    less = policy("doctor-policy.json")
    less["Statement"][0]["Action"].remove("scheduler:GetSchedule")
    both = (enforced.outputs["ReaderPolicyArn"], enforced.outputs["PublisherPolicyArn"])
    code, checks, _ = doctor(enforced, less, *both)
    assert (code, not_ok(checks)) == (2, {"schedules": "unknown", "digests": "unknown"})
    assert checks["schedules"]["Permission"] == "scheduler:GetSchedule"


def test_a_person_without_any_permission_learns_the_first(enforced):
    code, checks, _ = doctor(enforced, None)
    assert (code, list(checks)) == (2, ["stack"])
    assert checks["stack"]["Permission"] == "cloudformation:DescribeStacks"


def test_the_documented_policy_is_enough_to_send_a_test_that_is_marked(enforced):
    inbox = Inbox(enforced, "doctor")
    inbox.subscribe("DigestTopicArn", "JobAlertsTopicArn")
    before = subscribed(enforced)
    both = policy("doctor-policy.json")
    both["Statement"] += policy("send-test-policy.json")["Statement"]
    with ThreadPoolExecutor() as pool:
        reader = enforced.outputs["ReaderPolicyArn"]
        run = pool.submit(doctor, enforced, both, reader, options=("--send-test",))
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
