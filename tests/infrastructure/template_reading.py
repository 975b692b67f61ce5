"""Reads a template as a person does: resources by their path in the stack, references by that path."""

from typing import Any

Resources = dict[str, Any]


def path_of(resource: dict[str, Any]) -> str:
    """Return the path of a resource below the stack."""
    path = str(resource.get("Metadata", {}).get("aws:cdk:path", ""))
    return path.removeprefix("JobLedger/").removesuffix("/Resource")


def by_path(resources: Resources) -> dict[str, dict[str, Any]]:
    """Return the resources by their path; those without one are left out."""
    return {path_of(resource): resource for resource in resources.values() if path_of(resource)}


def of_type(resources: Resources, kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of the resources of one type, by path."""
    return {
        path_of(resource): resource["Properties"]
        for resource in resources.values()
        if resource["Type"] == kind
    }


def readable(value: Any, resources: Resources) -> Any:
    """Replace references by text: `Ledger.Arn`, `Api/Rest`, `AWS::Region`; joined parts by one text."""
    if isinstance(value, list):
        return [readable(item, resources) for item in value]
    if not isinstance(value, dict):
        return value
    if "Ref" in value:
        return _name(value["Ref"], resources)
    if "Fn::GetAtt" in value:
        name, attribute = value["Fn::GetAtt"]
        return f"{_name(name, resources)}.{attribute}"
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return separator.join(str(readable(part, resources)) for part in parts)
    return {key: readable(item, resources) for key, item in value.items()}


def _name(logical_id: str, resources: Resources) -> str:
    return path_of(resources[logical_id]) if logical_id in resources else logical_id


def listed(value: Any) -> list[Any]:
    """Return a list, also for the single value that CloudFormation allows in its place."""
    return value if isinstance(value, list) else [value]
