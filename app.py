"""The CDK app: reads the settings, builds the bundle, synthesizes one stack. Needs no AWS, git or Docker.

With the setting `hub`, the stack is that of a member, which has no bundle.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

from aws_cdk import App

from stacks.function import Code
from stacks.job_ledger_stack import JobLedgerStack
from stacks.member import JobLedgerMemberStack
from stacks.packaging.bundle import BundleError, make_bundle
from stacks.packaging.target import Target
from stacks.regions import arn_problems, region_problem, source_problems
from stacks.settings import DEFAULT_NAME, Settings, SettingsError, notes
from stacks.sources import member_name

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Synthesize the stack. User errors end with one line each instead of a traceback."""
    app = App()
    context = app.node.get_all_context()
    try:
        settings = Settings.from_context(context)
        if settings.hub:
            name = member_name(settings)
            JobLedgerMemberStack(app, name, settings=settings, hub=settings.hub)
        else:
            _add_deployment(app, settings)
    except (SettingsError, BundleError) as error:
        sys.exit("\n".join(f"job-ledger: {line}" for line in str(error).splitlines()))
    for note in notes(context):
        print(f"job-ledger: {note}", file=sys.stderr)
    app.synth()


def _add_deployment(app: App, settings: Settings) -> None:
    # The stack names no account and region. The CDK CLI deploys it to those of these variables.
    account, region = (os.environ.get(f"CDK_DEFAULT_{name}") for name in ("ACCOUNT", "REGION"))
    if problem := region_problem(region):
        raise SettingsError(problem)
    if account and region:
        settings = replace(settings, deployed_to=f"{account}/{region}")
    if problems := [*arn_problems(settings, region), *source_problems(settings, region)]:
        raise SettingsError("\n".join(problems))
    target = Target.of(settings.bundle_for)
    bundle = make_bundle(HERE / "lambda", HERE / ".local" / "build", target)
    JobLedgerStack(app, DEFAULT_NAME, settings=settings, code=Code.from_bundle(bundle))


if __name__ == "__main__":
    main()
