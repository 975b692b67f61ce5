"""The API according to botocore's service model: input constraints, error statuses, job properties.

boto3 and the AWS CLI use the same model, so a limit that AWS changes takes effect with the next botocore.
"""

import json
import re
import unicodedata
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, ServiceModel, Shape, StringShape, StructureShape

from local.comprehend_medical.errors import ServiceError

SERVICE = "comprehendmedical"


@cache
def service_model() -> ServiceModel:
    """Load the model from botocore's data, once, without session and credentials."""
    return ServiceModel(Loader().load_service_model(SERVICE, "service-2"), SERVICE)


@cache
def target_prefix() -> str:
    """Return the part of X-Amz-Target before the dot."""
    return str(service_model().metadata["targetPrefix"])


@cache
def error_status(code: str) -> int:
    """Return the HTTP status of an error in the model; 400 for unknown errors."""
    for shape in service_model().error_shapes:
        if shape.name == code:
            return int(shape.metadata["error"]["httpStatusCode"])
    return 400


@cache
def job_shape() -> StructureShape:
    """Return the 14 properties of a job."""
    shape = service_model().shape_for("ComprehendMedicalAsyncJobProperties")
    if not isinstance(shape, StructureShape):
        raise TypeError("the model's job is not a structure")
    return shape


def check_input(operation: str, value: object) -> None:
    """Reject input that the model forbids, with the wording of AWS's services.

    A wrong JSON type is a SerializationException. A value out of bounds is a ValidationException for a
    filter ("The filter that you specified for the operation is invalid", says the model), otherwise an
    InvalidRequestException.
    """
    shape = service_model().operation_model(operation).input_shape
    if shape is None:
        return
    problems: list[tuple[str, str]] = []
    _check(shape, value, "", problems)
    if not problems:
        return
    count = "1 validation error" if len(problems) == 1 else f"{len(problems)} validation errors"
    filters_only = all(path.startswith("filter.") for path, _ in problems)
    code = "ValidationException" if filters_only else "InvalidRequestException"
    raise ServiceError(code, f"{count} detected: " + "; ".join(text for _, text in problems))


def _check(shape: Shape, value: Any, path: str, problems: list[tuple[str, str]]) -> None:
    if isinstance(shape, StructureShape):
        _check_structure(shape, _typed(value, dict, path), path, problems)
    elif isinstance(shape, ListShape):
        for index, item in enumerate(_typed(value, list, path)):
            _check(shape.member, item, f"{path}.{index + 1}.member", problems)
    elif shape.type_name == "timestamp":
        _typed(value, (int, float), path)
    elif shape.type_name == "integer":
        _bounds(shape, _typed(value, int, path), path, problems)
    elif isinstance(shape, StringShape):
        _check_string(shape, _typed(value, str, path), path, problems)


def _check_structure(
    shape: StructureShape, value: dict[str, Any], path: str, problems: list[tuple[str, str]]
) -> None:
    for name, member in shape.members.items():
        inner = f"{path}.{name[0].lower()}{name[1:]}".removeprefix(".")
        if value.get(name) is not None:
            _check(member, value[name], inner, problems)
        elif name in shape.required_members:
            problems.append((inner, _failed("null", inner, "Member must not be null")))


def _check_string(
    shape: StringShape, value: str, path: str, problems: list[tuple[str, str]]
) -> None:
    limits = shape.metadata
    if "min" in limits and len(value) < limits["min"]:
        rule = f"Member must have length greater than or equal to {limits['min']}"
        problems.append((path, _failed(value, path, rule)))
    if "max" in limits and len(value) > limits["max"]:
        rule = f"Member must have length less than or equal to {limits['max']}"
        problems.append((path, _failed(value, path, rule)))
    if "pattern" in limits and not matches(limits["pattern"], value):
        rule = f"Member must satisfy regular expression pattern: {limits['pattern']}"
        problems.append((path, _failed(value, path, rule)))
    if shape.enum and value not in shape.enum:
        rule = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        problems.append((path, _failed(value, path, rule)))


def _bounds(shape: Shape, value: int, path: str, problems: list[tuple[str, str]]) -> None:
    limits = shape.metadata
    if "min" in limits and value < limits["min"]:
        rule = f"Member must have value greater than or equal to {limits['min']}"
        problems.append((path, _failed(value, path, rule)))
    if "max" in limits and value > limits["max"]:
        rule = f"Member must have value less than or equal to {limits['max']}"
        problems.append((path, _failed(value, path, rule)))


def _failed(value: object, path: str, rule: str) -> str:
    return f"Value '{value}' at '{path}' failed to satisfy constraint: {rule}"


def _typed(value: Any, wanted: type | tuple[type, ...], path: str) -> Any:
    # bool is an int in Python, but not in JSON.
    if isinstance(value, wanted) and not isinstance(value, bool):
        return value
    raise ServiceError("SerializationException", f"'{path or 'input'}' has the wrong JSON type")


# `re` does not support \p{…}. Each category that the model uses is represented by a private-use character
# for its non-ASCII members, in the pattern and in the value.
_CATEGORIES = {
    "L": ("\ue001", "A-Za-z"),
    "Z": ("\ue002", " "),
    "N": ("\ue003", "0-9"),
}
_OTHER = "\ue000"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    for category, (private, ascii_members) in _CATEGORIES.items():
        pattern = pattern.replace(rf"\p{{{category}}}", ascii_members + private)
    return re.compile(pattern)


def matches(pattern: str, value: str) -> bool:
    r"""Match the whole value against a pattern of the model, which may use `\p{L}` and the like."""
    if not value.isascii():
        value = "".join(c if c.isascii() else _stand_for(c) for c in value)
    return _compiled(pattern).fullmatch(value) is not None


def _stand_for(character: str) -> str:
    category = unicodedata.category(character)[0]
    return _CATEGORIES[category][0] if category in _CATEGORIES else _OTHER


def job_id_in(body: str | bytes) -> str:
    """Return the JobId of a request, empty when it has none."""
    try:
        return str(parsed(body).get("JobId", ""))
    except ServiceError:
        return ""


def parsed(body: str | bytes) -> dict[str, Any]:
    """Return the body of a request. Raises ServiceError unless it is a JSON object."""
    try:
        wanted = json.loads(body or "{}")
    except ValueError as error:
        raise ServiceError("SerializationException", "The body is not valid JSON.") from error
    if not isinstance(wanted, dict):
        raise ServiceError("SerializationException", "The body is not a JSON object.")
    return wanted
