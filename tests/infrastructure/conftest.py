"""The template, synthesised once a run from a stand-in for the bundle: no pip, no wait.

CDK is imported by tests and fixtures, not by modules: it starts a Node process, which takes seconds and a gigabyte,
and each worker imports every module.
"""

import functools
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from stacks.packaging.bundle import Bundle
from stacks.packaging.target import Target
from stacks.settings import Settings
from testing.processes import ROOT
from tests.infrastructure.chosen import CHOSEN, FULL

if TYPE_CHECKING:
    from aws_cdk import App, Stack
    from aws_cdk.assertions import Template

SynthesiseApp = Callable[..., "App"]
Synthesise = Callable[..., "Template"]
STACK, MEMBER = "JobLedger", "JobLedgerMember"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run the tests of this folder on one worker: to load the CDK and to make the template takes seconds."""
    if item.path.parent == Path(__file__).parent and not item.get_closest_marker("xdist_group"):
        item.add_marker(pytest.mark.xdist_group("template"))


@pytest.fixture(scope="session")
def new_app(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], "App"]:
    """Make an app with the flags that the CDK CLI passes on."""
    from aws_cdk import App

    flags = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    flags["aws:cdk:enable-path-metadata"] = True
    return lambda: App(outdir=str(tmp_path_factory.mktemp("cdk.out")), context=flags)


@pytest.fixture(scope="session")
def synthesise_app(
    new_app: Callable[[], "App"], tmp_path_factory: pytest.TempPathFactory
) -> SynthesiseApp:
    """Make an app with the stack, from settings given as context keys."""
    from stacks.function import Code
    from stacks.job_ledger_stack import JobLedgerStack

    stub = tmp_path_factory.mktemp("bundle") / "stub.zip"
    with zipfile.ZipFile(stub, "w") as zipped:
        zipped.writestr("jobledger/__init__.py", "")

    def synthesise_app(digest: str = "0" * 64, **context: Any) -> "App":
        settings = Settings.from_context(context)
        bundle = Bundle(path=stub, digest=digest, target=Target.of(settings.bundle_for))
        JobLedgerStack(app := new_app(), STACK, settings=settings, code=Code.from_bundle(bundle))
        return app

    return synthesise_app


@pytest.fixture(scope="session")
def synthesise_member_app(new_app: Callable[[], "App"]) -> SynthesiseApp:
    """Make an app with the stack of a member, from settings given as context keys."""
    from stacks.member import JobLedgerMemberStack

    def synthesise_member_app(hub: str = "111122223333", **context: Any) -> "App":
        settings = Settings.from_context({"hub": hub, **context})
        JobLedgerMemberStack(app := new_app(), MEMBER, settings=settings, hub=hub)
        return app

    return synthesise_member_app


def synthesiser(synthesise_app: SynthesiseApp, name: str) -> Synthesise:
    """Return a function that makes a template from settings, each once."""
    from aws_cdk.assertions import Template

    @functools.cache
    def synthesise(*arguments: str, **context: Any) -> "Template":
        stack = synthesise_app(*arguments, **context).node.find_child(name)
        return Template.from_stack(cast("Stack", stack))

    return synthesise


@pytest.fixture(scope="session")
def synthesise(synthesise_app: SynthesiseApp) -> Synthesise:
    """Make the template of the stack."""
    return synthesiser(synthesise_app, STACK)


@pytest.fixture(scope="session")
def synthesise_member(synthesise_member_app: SynthesiseApp) -> Synthesise:
    """Make the template of the stack of a member."""
    return synthesiser(synthesise_member_app, MEMBER)


@pytest.fixture(scope="session")
def member(synthesise_member: Synthesise) -> "Template":
    """The stack of a member."""
    return synthesise_member()


def resources_of(template: "Template") -> dict[str, Any]:
    found: dict[str, Any] = template.to_json()["Resources"]
    return found


@pytest.fixture(scope="session")
def template(synthesise: Synthesise) -> "Template":
    """The stack with every setting left alone."""
    return synthesise()


@pytest.fixture(scope="session")
def resources(template: "Template") -> dict[str, Any]:
    """The resources of that template."""
    return resources_of(template)


@pytest.fixture(scope="session")
def full(synthesise: Synthesise) -> dict[str, Any]:
    """The resources with everything that settings add."""
    return resources_of(synthesise(**FULL))


@pytest.fixture(scope="session")
def chosen(synthesise: Synthesise) -> dict[str, Any]:
    """The resources with every setting chosen."""
    return resources_of(synthesise(**CHOSEN))
