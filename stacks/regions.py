"""The regions with Amazon Comprehend Medical. A deployment elsewhere could never sync.

Source: https://docs.aws.amazon.com/general/latest/gr/comprehend-med.html
"""

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
    """Return what is wrong with a region, or None; None as well when the region is not known."""
    if region is None or region in REGIONS:
        return None
    return (
        f"region {region} has no Amazon Comprehend Medical; regions that have it: "
        f"{', '.join(REGIONS)}"
    )
