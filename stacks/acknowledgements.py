"""Records the accepted findings of cdk-nag and checkov on the resources.

cdk-nag reads them from the constructs, checkov from the resources' metadata in the template. So they also
apply when other people run these tools on the template.
"""

from collections.abc import Iterator
from typing import cast

from aws_cdk import Acknowledgment, CfnResource, Stack, Validations

from stacks.accepted_findings import ACCEPTED, EMAIL, OUTPUT, Accepted
from stacks.settings import Settings


def acknowledge(stack: Stack, settings: Settings) -> None:
    """Record the accepted findings on the resources that this deployment has."""
    emails = (*settings.digest_emails, *settings.alert_emails)
    for accepted in ACCEPTED:
        for path in accepted.paths:
            for each in (
                [path.replace(EMAIL, email) for email in emails] if EMAIL in path else [path]
            ):
                if resource := _resource(stack, each):
                    _record(resource, accepted, settings)


def _resource(stack: Stack, path: str) -> CfnResource | None:
    node = stack.node
    for name in path.split("/"):
        child = node.try_find_child(name)
        if child is None:
            return None
        node = child.node
    return cast(CfnResource, node.default_child)


def _record(resource: CfnResource, accepted: Accepted, settings: Settings) -> None:
    skipped = list((resource.get_metadata("checkov") or {}).get("skip", []))
    for rule in _rules(accepted, settings):
        if rule.startswith("CKV_"):
            skipped.append({"id": rule, "comment": accepted.reason})
        else:
            pack = rule.partition("-")[0]
            Validations.of(resource).acknowledge(
                Acknowledgment(id=f"{pack}::{rule}", reason=accepted.reason)
            )
    if skipped:
        resource.add_metadata("checkov", {"skip": skipped})


def _rules(accepted: Accepted, settings: Settings) -> Iterator[str]:
    """Yield the rules, and those about each bucket of the setting outputBuckets."""
    for rule in accepted.rules:
        if OUTPUT in rule:
            yield from (rule.replace(OUTPUT, place) for place in settings.output_locations)
        else:
            yield rule
