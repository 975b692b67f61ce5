"""cdk-nag (four packs) and checkov find nothing in the template that is not accepted with a reason.

The findings without the acknowledgements are compared with them, so that no acknowledgement outlives its
finding.
"""

import contextlib
import json
import os
import re
from pathlib import Path

import pytest

from testing.processes import ROOT, run
from tests.infrastructure.chosen import CHOSEN, OUTPUTS, SOURCES

CHECKOV = ROOT / ".venv-audit" / "bin" / "checkov"
ADDRESS = "a@example.org"
# Everything that adds a resource which a rule may be about.
EMAILS = {"digestEmails": ADDRESS, "alertEmails": ADDRESS}
FULL = {"chatDigests": "true", **EMAILS, **OUTPUTS, "outputBuckets": "codes/out", **SOURCES}
PRIVATE = {name: CHOSEN[name] for name in ("name", "vpcEndpointIds", "webAclArn", "kmsKeyArn")}


def below_the_stack(construct_path):
    return construct_path.partition("/")[2].removesuffix("/Resource")


def findings(app):
    """Validate with all packs; return the rules with the paths below the stack that do not follow them."""
    from aws_cdk import Validations
    from cdk_nag import AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks, ServerlessChecks

    packs = (AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks, ServerlessChecks)
    Validations.of(app).add_plugins(*(pack(app) for pack in packs))
    # It fails when there are findings; the report tells them apart from other errors.
    with contextlib.suppress(RuntimeError):
        app.synth()
    report = json.loads(Path(app.outdir, "validation-report.json").read_text(encoding="utf-8"))
    used = {pack["pluginName"] for pack in report["pluginReports"]}
    # The report leaves out a pack that has no rule about any resource, as about a member's.
    of_functions = {"Serverless"} if app.node.try_find_child("JobLedger") else set()
    assert {"AwsSolutions", "HIPAA.Security", "NIST.800.53.R5"} | of_functions <= used
    return {
        (violation["ruleName"], below_the_stack(construct["constructPath"]))
        for pack in report["pluginReports"]
        for violation in pack["violations"]
        for construct in violation["violatingConstructs"]
    }


@pytest.fixture(scope="module")
def acknowledgements():
    from stacks import acknowledgements

    return acknowledgements


def accepted(acknowledgements, *, checkov):
    return {
        (
            rule.replace(acknowledgements.OUTPUT, FULL["outputBuckets"]),
            path.replace(acknowledgements.EMAIL, ADDRESS),
        )
        for each in acknowledgements.ACCEPTED
        for rule in each.rules
        for path in each.paths
        if rule.startswith("CKV_") == checkov
    }


@pytest.fixture(scope="module")
def failed_checks(synthesise, member, tmp_path_factory):
    """Run checkov once: return the rules and paths that fail without acknowledgements, and those with them."""
    if not CHECKOV.exists():
        pytest.fail("checkov is not installed: sh local/setup.sh audit")
    resources = {**synthesise(**FULL).to_json()["Resources"], **member.to_json()["Resources"]}
    given = {
        f"{name}Acknowledged": r for name, r in resources.items() if "checkov" in r["Metadata"]
    }
    for name, resource in resources.items():
        without = {key: each for key, each in resource["Metadata"].items() if key != "checkov"}
        given[name] = {**resource, "Metadata": without}
    folder = tmp_path_factory.mktemp("checkov")
    (folder / "all.template.json").write_text(json.dumps({"Resources": given}), encoding="utf-8")
    options = ("--framework", "cloudformation", "--skip-download", "--output", "json")
    report = json.loads(run(CHECKOV, "--directory", folder, *options, cwd=folder).stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 100
    names = [each["resource"].rpartition(".")[2] for each in report["results"]["failed_checks"]]
    return [
        (each["check_id"], below_the_stack(given[name]["Metadata"].get("aws:cdk:path", "")), name)
        for each, name in zip(report["results"]["failed_checks"], names, strict=True)
    ]


@pytest.mark.parametrize("context", [{}, FULL, PRIVATE], ids=["default", "full", "private"])
def test_cdk_nag_has_no_finding_that_is_not_accepted(
    synthesise_app, synthesise_member_app, context
):
    assert findings(synthesise_app(**context)) == set()
    if not context:
        assert findings(synthesise_member_app()) == set()


def test_every_accepted_finding_of_cdk_nag_exists(
    synthesise_app, synthesise_member_app, acknowledgements, monkeypatch
):
    expected = accepted(acknowledgements, checkov=False)
    monkeypatch.setattr(acknowledgements, "ACCEPTED", ())
    of_member = findings(synthesise_member_app())
    assert of_member
    assert findings(synthesise_app(**FULL)) | of_member == expected


@pytest.mark.slow
def test_checkov_finds_exactly_what_is_accepted(failed_checks, acknowledgements):
    assert [name for *_, name in failed_checks if name.endswith("Acknowledged")] == []
    found = {(rule, path) for rule, path, _ in failed_checks}
    assert found == accepted(acknowledgements, checkov=True)


def test_each_resource_and_rule_is_accepted_once(acknowledgements):
    accepted = acknowledgements.ACCEPTED
    listed = [(rule, path) for each in accepted for rule in each.rules for path in each.paths]
    assert len(listed) == len(set(listed))


def test_the_security_document_lists_what_is_accepted(acknowledgements):
    """`UPDATE_GOLDEN=1 pytest` writes the table anew."""
    document = ROOT / "docs" / "security.md"
    text = document.read_text(encoding="utf-8")
    head, begin, _, end, tail = re.split(r"(<!-- (?:begin|end): accepted -->\n)", text)
    written = head + begin + table(acknowledgements.ACCEPTED) + end + tail
    if os.environ.get("UPDATE_GOLDEN"):
        document.write_text(written, encoding="utf-8")
    assert written == text or os.environ.get("UPDATE_GOLDEN")


def table(accepted):
    """Return the accepted findings as a table, a reason a line."""

    def code(names):
        return ", ".join(f"`{name}`" for name in names)

    lines = [f"| {code(each.paths)} | {code(each.rules)} | {each.reason} |" for each in accepted]
    return "\n".join(["| resources | rules | reason |", "|---|---|---|", *lines]) + "\n"
