"""The CDK app: reads the settings, builds the bundle, synthesizes one stack. Needs no AWS, git or Docker."""

import os
import sys
from pathlib import Path

from aws_cdk import App

from stacks.function import Code
from stacks.job_ledger_stack import JobLedgerStack
from stacks.packaging.bundle import BundleError, make_bundle
from stacks.packaging.target import Target
from stacks.regions import arn_problems, region_problem
from stacks.settings import DEFAULT_NAME, Settings, SettingsError, setting_keys, unknown_keys

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Synthesize the stack. User errors end with one line each instead of a traceback."""
    app = App()
    context = app.node.get_all_context()
    # The stack names no region. The CDK CLI deploys it to the region of this variable.
    region = os.environ.get("CDK_DEFAULT_REGION")
    if problem := region_problem(region):
        sys.exit(f"job-ledger: {problem}")
    try:
        settings = Settings.from_context(context)
        if problems := list(arn_problems(settings, region)):
            raise SettingsError("\n".join(problems))
        target = Target.of(settings.bundle_for)
        bundle = make_bundle(HERE / "lambda", HERE / ".local" / "build", target)
    except SettingsError as error:
        sys.exit("\n".join(f"job-ledger: {line}" for line in str(error).splitlines()))
    except BundleError as error:
        sys.exit(f"job-ledger: {error}")
    for key in unknown_keys(context):
        print(
            f"job-ledger: context key {key} is not a setting and is ignored; settings: {', '.join(setting_keys())}",
            file=sys.stderr,
        )
    JobLedgerStack(app, DEFAULT_NAME, settings=settings, code=Code.from_bundle(bundle))
    app.synth()


if __name__ == "__main__":
    main()
