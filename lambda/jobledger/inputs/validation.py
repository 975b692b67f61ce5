"""Validates inputs against their JSON Schemas. The only user of Powertools' validation.

An input is declared once, as a Parameter: the handlers validate with it, and the OpenAPI document and the tests
of the documentation read it. All errors of a request are reported together. Values are never quoted, because
they can identify patients.
"""

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from aws_lambda_powertools.utilities.validation import SchemaValidationError, validate

from jobledger.errors import BadParameter, InvalidParameters
from jobledger.inputs.formats import FORMATS, Schema

_CHECKERS = {name: own.accepts for name, own in FORMATS.items()}
# Without details, an exception does not hold the value.
_OPTIONS = {"detailed_exceptions": False, "use_default": False}
_LONGEST_NAME = 64
REPEAT = "repeat the parameter to give several values"

Unknown = Callable[[str, Iterable[str]], str]


def _same(value: Any) -> Any:
    return value


class Parameter(msgspec.Struct, frozen=True, eq=False):
    """One input: its JSON Schema, the same rule in words, and the conversion of valid values.

    `from_text` returns the JSON value that a text stands for; text of another type stays text, for the
    schema to refuse. `parse` converts a valid value. A repeatable parameter has a list of values.
    """

    name: str
    schema: Schema
    allowed: str
    description: str
    from_text: Callable[[str], object] = _same
    parse: Callable[[Any], Any] = _same
    repeatable: bool = False
    example: Any = None


class JsonObject(msgspec.Struct, frozen=True, eq=False):
    """A JSON object: a request's body, or the payload of a function. `kind` names it in errors.

    `dependent` has, for each member, the members that must be present with it (`dependentRequired`).
    """

    kind: str
    members: Mapping[str, Parameter]
    allowed: str
    dependent: Mapping[str, Sequence[str]] = msgspec.field(default_factory=dict)
    schema: Schema = msgspec.field(default_factory=lambda: {"type": "object"})

    @property
    def full_schema(self) -> dict[str, Any]:
        """The schema of the object with its members; other members are not allowed."""
        return {
            **self.schema,
            "properties": {name: member.schema for name, member in self.members.items()},
            "dependentRequired": self.dependent,
            "additionalProperties": False,
        }


def enumerated(*allowed: str) -> dict[str, Any]:
    # Plain text: fastjsonschema writes the representation of each value into its code.
    return {"type": "string", "enum": [str(value) for value in allowed]}


def whole_number(text: str) -> object:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else text


def number(text: str) -> object:
    return float(text) if re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,18})?", text) else text


def truth(text: str) -> object:
    return text == "true" if text in ("true", "false") else text


def is_valid(value: object, schema: Schema) -> bool:
    """Whether a JSON value is valid. Powertools compiles the schema at each call: some 0.2 ms."""
    try:
        validate(value, dict(schema), formats=_CHECKERS, provider_options=_OPTIONS)
    except SchemaValidationError:
        return False
    return True


@functools.lru_cache(maxsize=1024)
def value_of(parameter: Parameter, text: str) -> Any:
    """Return the value of a text. Raises InvalidParameters.

    Only valid texts are remembered. Their values are immutable.
    """
    value = parameter.from_text(text)
    if not is_valid(value, parameter.schema):
        raise InvalidParameters([BadParameter(parameter.name, parameter.allowed)])
    return parameter.parse(value)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the most similar known name, whatever its case; None when no name is similar."""
    by_lower_case = {candidate.lower(): candidate for candidate in known}
    import difflib  # only a request with an unknown parameter needs it

    found = difflib.get_close_matches(name.lower(), by_lower_case)
    return by_lower_case[found[0]] if found else None


def parse_texts(
    sent: Mapping[str, Sequence[str]], known: Mapping[str, Parameter], unknown: Unknown
) -> tuple[dict[str, Any], list[BadParameter]]:
    """Return the values of a request's valid parameters, repeatable ones as lists, and every error.

    Errors are unknown and misspelled names, repeated parameters, and values that are not allowed. `unknown`
    words the error of an unknown name.
    """
    values: dict[str, Any] = {}
    wrong: list[BadParameter] = []
    for name, texts in sent.items():
        if name not in known:
            wrong.append(BadParameter(name[:_LONGEST_NAME], unknown(name, known)))
            continue
        parameter = known[name]
        if len(texts) > 1 and not parameter.repeatable:
            wrong.append(BadParameter(name, f"given once: {parameter.allowed}"))
            continue
        try:
            parsed = [value_of(parameter, text) for text in texts]
        except InvalidParameters:
            lists = parameter.repeatable and any("," in text for text in texts)
            hint = f"; {REPEAT}" if lists else ""
            wrong.append(BadParameter(name, f"{parameter.allowed}{hint}"))
            continue
        values[name] = parsed if parameter.repeatable else parsed[0]
    return values, wrong


def parse_members(sent: Any, known: JsonObject) -> tuple[dict[str, Any], list[BadParameter]]:
    """Return the values of a JSON object's valid members, and every error."""
    if not is_valid(sent, known.schema):
        return {}, [BadParameter(known.kind, known.allowed)]
    values: dict[str, Any] = {}
    wrong: list[BadParameter] = []
    for name, value in sent.items():
        if name not in known.members:
            wrong.append(BadParameter(name[:_LONGEST_NAME], _unknown_member(name, known)))
        elif is_valid(value, known.members[name].schema):
            values[name] = known.members[name].parse(value)
        else:
            wrong.append(BadParameter(name, known.members[name].allowed))
    wrong += [
        BadParameter(other, "both or neither")
        for name, others in known.dependent.items()
        for other in others
        # The keyword of draft 7: fastjsonschema ignores dependentRequired.
        if not is_valid(sent, {"dependencies": {name: [other]}})
    ]
    return values, wrong


def _unknown_member(name: str, known: JsonObject) -> str:
    near = nearest(name, known.members)
    hint = f" Did you mean {near}?" if near else ""
    return f"Unknown member.{hint} This {known.kind} accepts {', '.join(known.members)}"
