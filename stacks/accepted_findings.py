"""Findings of cdk-nag and checkov that are accepted: each on one resource, with the reason.

docs/security.md lists them.
"""

from dataclasses import dataclass

# Stands for each address of the settings digestEmails and alertEmails in a path.
EMAIL = "{email}"
# Stands for each entry of the setting outputBuckets in a rule.
OUTPUT = "{bucket/prefix}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """Rules that one or more resources do not follow, and the reason, which is the same for each."""

    rules: tuple[str, ...]
    paths: tuple[str, ...]
    reason: str


_OWN_FUNCTIONS = (
    *("Api/Function", "Changes/Function", "Digest/Function", "JobAlerts/Function"),
    *("Lookup/IsComplete", "Lookup/OnEvent", "Outputs/Function"),
    "Sync/FirstSync/Function",
    "Sync/Function",
    "Widget/Function",
)
_FRAMEWORK = tuple(
    f"Lookup/Provider/framework-{name}" for name in ("onEvent", "isComplete", "onTimeout")
)
_FUNCTIONS = (*_OWN_FUNCTIONS, *_FRAMEWORK)
_STAGE = "Api/Rest/DeploymentStage.v1"
_WAITER = "Lookup/Provider/waiter-state-machine"
_METHODS = tuple(
    f"Api/Rest/Default/{route}"
    for route in (
        "ANY",
        "board/ANY",
        "board/jobs/{JobId}/ANY",
        "board/{Asset}/ANY",
        "digests/ANY",
        "digests/POST",
        "docs/ANY",
        "docs/{Asset}/ANY",
        "health/ANY",
        "jobs/ANY",
        "jobs/{JobId}/ANY",
        "openapi.json/ANY",
        "summary/ANY",
        "{proxy+}/ANY",
    )
)
_STAGE_ARN = (
    "arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:"
    "<ApiRest4DEC74FE>/<ApiRestDeploymentStagev1F506FEE3>"
)

_LOGS_POLICY = (
    "arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
)


def _both(rule: str) -> tuple[str, str]:
    """Return a rule of the HIPAA Security and the NIST 800-53 R5 packs."""
    return f"HIPAA.Security-{rule}", f"NIST.800.53.R5-{rule}"


_DEAD_LETTERS = (*_both("LambdaDLQ"), "Serverless-LambdaDLQ", "CKV_AWS_116")

ACCEPTED = (
    Accepted(
        ("AwsSolutions-APIG2",),
        ("Api/Rest",),
        "The function validates each request against its JSON Schemas, and its answer names every fault. A"
        " validator of API Gateway would not refuse unknown parameters.",
    ),
    Accepted(
        ("AwsSolutions-APIG3", "NIST.800.53.R5-APIGWAssociatedWithWAF"),
        (_STAGE,),
        "Which rules fit depends on the networks of the callers. The setting webAclArn associates a web ACL."
        " Without one, every method needs a signature, and the stage is throttled.",
    ),
    Accepted(
        ("AwsSolutions-APIG6", *_both("APIGWExecutionLoggingEnabled")),
        (_STAGE,),
        "Execution logs contain query strings, and so job names, which can identify patients. The access log"
        " has the caller, route, status and latency of each request.",
    ),
    Accepted(
        (*_both("APIGWCacheEnabledAndEncrypted"), "CKV_AWS_120"),
        (_STAGE,),
        "A cache would answer with an older state of the ledger than AsOf says, and hold job data in a second"
        " place.",
    ),
    Accepted(
        _both("APIGWSSLEnabled"),
        (_STAGE,),
        "The rule is about client certificates for HTTP backends. The only backend is a Lambda function, which"
        " API Gateway calls through Lambda's API.",
    ),
    Accepted(
        ("AwsSolutions-COG4",),
        _METHODS,
        "Callers are AWS principals: the method has IAM authorization. There is no user pool.",
    ),
    Accepted(
        (f"AwsSolutions-IAM4[Policy::{_LOGS_POLICY}]",),
        ("Api/Rest/CloudWatchRole",),
        "API Gateway has one role for logs for the whole account, not for this API, and AWS documents this"
        " policy for it.",
    ),
    Accepted(
        ("AwsSolutions-IAM5[Resource::*]",),
        (
            "Api/FunctionRole/DefaultPolicy",
            "Changes/FunctionRole/DefaultPolicy",
            "Digest/FunctionRole/DefaultPolicy",
            "JobAlerts/FunctionRole/DefaultPolicy",
            "Lookup/IsCompleteRole/DefaultPolicy",
            "Lookup/OnEventRole/DefaultPolicy",
            "Member/Role/DefaultPolicy",
            "Outputs/FunctionRole/DefaultPolicy",
            "Sync/FirstSync/FunctionRole/DefaultPolicy",
            "Sync/FunctionRole/DefaultPolicy",
            "Widget/FunctionRole/DefaultPolicy",
        ),
        "X-Ray and Comprehend Medical support no resources in policies. The statements with this resource allow"
        " their actions and no others.",
    ),
    Accepted(
        tuple(
            f"AwsSolutions-IAM5[Resource::<LookupProviderframework{name}.Arn>:*]"
            for name in ("isComplete0581BD49", "onTimeout6D889CF7")
        ),
        (f"{_WAITER}/Role/DefaultPolicy",),
        "CDK's provider framework makes this policy. The wildcard stands for versions of one function, which"
        " do not exist.",
    ),
    Accepted(
        tuple(
            f"AwsSolutions-IAM5[Resource::{_STAGE_ARN}/{method}/*]" for method in ("GET", "HEAD")
        ),
        ("Api/Callers/JobLedgerReader",),
        "A reader may read all routes of this stage. The wildcard stands for their paths, for one method.",
    ),
    Accepted(
        tuple(
            f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:s3:::{OUTPUT}{pattern}]"
            for pattern in ("*Manifest", "*Manifest_*")
        ),
        ("Outputs/FunctionRole/DefaultPolicy",),
        "The service chooses the names of a job's folder and manifests. The wildcards allow only keys that have"
        " Manifest at the end or Manifest_ in them, below what outputBuckets names.",
    ),
    Accepted(
        ("CKV_AWS_33",),
        ("Key",),
        "The statement LogsOfCallers names everyone, and its condition only callers of this account through"
        " CloudWatch Logs. A principal of the account would leave it to IAM policies, which the account's role for"
        " logs of API Gateway does not have.",
    ),
    Accepted(
        _both("IAMNoInlinePolicy"),
        (
            "Api/FunctionRole/DefaultPolicy",
            "Changes/FunctionRole/DefaultPolicy",
            "Digest/FunctionRole/DefaultPolicy",
            "JobAlerts/FunctionRole/DefaultPolicy",
            "Lookup/FrameworkIsCompleteRole/DefaultPolicy",
            "Lookup/FrameworkOnEventRole/DefaultPolicy",
            "Lookup/IsCompleteRole/DefaultPolicy",
            "Lookup/OnEventRole/DefaultPolicy",
            f"{_WAITER}/Role/DefaultPolicy",
            "Member/Role/DefaultPolicy",
            "Outputs/FunctionRole/DefaultPolicy",
            "SchedulerRoleForOutputs/DefaultPolicy",
            "SchedulerRoleForTarget-1b2b2b/DefaultPolicy",
            "SchedulerRoleForTarget-91eb27/DefaultPolicy",
            "SchedulerRoleForTarget-b6b93d/DefaultPolicy",
            "SchedulerRoleForAlerts/DefaultPolicy",
            "Sync/FirstSync/FunctionRole/DefaultPolicy",
            "Sync/FunctionRole/DefaultPolicy",
            "Widget/FunctionRole/DefaultPolicy",
        ),
        "The policy fits one role only, and is created and deleted with it. A managed policy could be attached"
        " to other roles.",
    ),
    Accepted(
        ("AwsSolutions-L1", "Serverless-LambdaLatestVersion"),
        _OWN_FUNCTIONS,
        "The bundle's packages and bytecode are built and tested for Python 3.13, a supported runtime.",
    ),
    Accepted(
        (*_both("LambdaConcurrency"), "CKV_AWS_115"),
        _FUNCTIONS,
        "Lambda keeps 100 executions of the account unreserved, and a new account has ten in all: with a"
        " reservation, the deployment would fail there.",
    ),
    Accepted(
        (*_both("LambdaInsideVPC"), "CKV_AWS_117"),
        _FUNCTIONS,
        "It calls AWS services only, over TLS and with its own role. Nothing that it needs is in a VPC.",
    ),
    Accepted(
        ("CKV_AWS_173",),
        _FUNCTIONS,
        "The variables name resources and settings and hold no secret. Lambda encrypts them with a key of its"
        " own.",
    ),
    Accepted(
        _DEAD_LETTERS,
        ("Lookup/IsComplete", "Lookup/OnEvent", "Widget/Function"),
        "It is invoked synchronously only: the caller receives the error. Lambda has no event to keep.",
    ),
    Accepted(
        _DEAD_LETTERS,
        ("Api/Function",),
        "API Gateway invokes it synchronously and receives the error. Only the schedule KeepWarm invokes it"
        " asynchronously, with an event that is always the same and starts no work: there is nothing to keep.",
    ),
    Accepted(
        _DEAD_LETTERS,
        ("Digest/Function", "Changes/Function", "Outputs/Function"),
        "Failed events go to an on-failure destination, the queue Undelivered, which tells more about the"
        " failure than a dead-letter queue.",
    ),
    Accepted(
        _DEAD_LETTERS,
        ("JobAlerts/Function", "Sync/Function"),
        "The scheduled event is empty, and the next run is the retry: there is nothing to keep.",
    ),
    Accepted(
        ("Serverless-LambdaAsyncFailureDestination",),
        ("JobAlerts/Function/EventInvokeConfig", "Sync/Function/EventInvokeConfig"),
        "The scheduled event is empty, and the next run is the retry: there is nothing to keep.",
    ),
    Accepted(
        _DEAD_LETTERS,
        ("Sync/FirstSync/Function", *_FRAMEWORK),
        "CloudFormation, or the state machine that acts for it, waits for the answer and reports a missing one"
        " as the deployment's failure.",
    ),
    Accepted(
        ("Serverless-LambdaDefaultMemorySize",),
        _FRAMEWORK,
        "A function of CDK's provider framework, which forwards events and has no setting for its memory.",
    ),
    Accepted(
        ("Serverless-LambdaTracing",),
        _FRAMEWORK,
        "A function of CDK's provider framework, which has no setting for tracing.",
    ),
    Accepted(
        ("Serverless-LambdaTracing",),
        ("Api/Function",),
        "It is traced with the requests that API Gateway samples. Active tracing would also record each run of"
        " KeepWarm, and X-Ray bills for each record.",
    ),
    Accepted(
        ("Serverless-LambdaTracing",),
        ("JobAlerts/Function", "Outputs/Function"),
        "It runs each minute and finds nothing to do most of the time. Active tracing would record each run, and"
        " X-Ray bills for each record.",
    ),
    Accepted(
        ("AwsSolutions-SF1", "AwsSolutions-SF2", "Serverless-StepFunctionStateMachineXray"),
        (_WAITER,),
        "Its input is the request of CloudFormation, with a URL that is signed. Logs would contain it.",
    ),
    Accepted(
        ("AwsSolutions-SQS3", "Serverless-SQSRedrivePolicy"),
        ("Changes/Undelivered", "Digest/Undelivered"),
        "This is a dead-letter queue. No program receives from it, so no message fails repeatedly.",
    ),
    Accepted(
        ("Serverless-SQSRedrivePolicy",),
        ("JobAlerts/Undelivered",),
        "This is a dead-letter queue. No program receives from it, so no message fails repeatedly.",
    ),
    Accepted(
        _both("DynamoDBInBackupPlan"),
        ("Ledger",),
        "Point-in-time recovery restores each second of the last 35 days (setting backupDays). Long-term copies"
        " belong to a backup plan of the account, which can select the table by its ARN.",
    ),
    Accepted(
        _both("DynamoDBInBackupPlan"),
        ("Digest/Sent",),
        "Its records expire after at most 35 days, and point-in-time recovery covers them.",
    ),
    Accepted(
        ("Serverless-SNSRedrivePolicy",),
        (f"Digest/Topic/{EMAIL}", f"JobAlerts/Topic/{EMAIL}"),
        "SNS retries an e-mail for hours. POST /digests repeats the digest of any window, and GET /jobs lists"
        " the failed jobs, so nothing is only in the e-mail.",
    ),
)
