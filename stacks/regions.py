"""The regions with Amazon Comprehend Medical, and the ARNs that a deployment in one of them can use.

A deployment elsewhere could never sync. Source: https://docs.aws.amazon.com/general/latest/gr/comprehend-med.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stacks.setting_readers import partition_of

if TYPE_CHECKING:
    # It imports this module.
    from stacks.settings import Settings

REGIONS = (
    "ap-southeast-2",
    "ca-central-1",
    "eu-west-1",
    "eu-west-2",
    "us-east-1",
    "us-east-2",
    "us-gov-west-1",
    "us-west-2",
)


def region_problem(region: str | None) -> str | None:
    """Return what is wrong with a region; None when nothing is, or when the region is not known yet."""
    if region is None or region in REGIONS:
        return None
    return (
        f"region {region} has no Amazon Comprehend Medical; regions that have it: "
        f"{', '.join(REGIONS)}"
    )


def source_problems(settings: Settings, region: str | None) -> Iterator[str]:
    """Yield what is wrong with the sources of a deployment in this region."""
    own = settings.deployed_to
    if own in settings.sources and not settings.own_source:
        yield f"setting ownSource: it is false, and {own} of sources is the own source; allowed: false, if sources does not have {own}"
    partitions = {partition_of(source.partition("/")[2]) for source in settings.sources}
    if region and partitions - {partition_of(region)}:
        yield f"setting sources: the regions are not of the AWS partition of {region}; allowed: regions of the partition {partition_of(region)}, where the stack is deployed"


def arn_problems(settings: Settings, region: str | None) -> Iterator[str]:
    """Yield what is wrong with ARNs in the settings: resources of another region cannot be used."""
    given = [
        ("kmsKeyArn", settings.kms_key_arn),
        ("webAclArn", settings.web_acl_arn),
        *(("outputKeyArns", arn) for arn in settings.output_key_arns),
    ]
    for key, arn in given:
        if arn and region and (found := arn.split(":")[3]) != region:
            yield f"setting {key}: {arn!r} is of the region {found}; allowed: one of {region}, the region of the deployment (AWS_REGION or the profile sets it)"
