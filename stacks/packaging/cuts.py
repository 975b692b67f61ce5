"""Leaves out of the bundle the code that the functions' packages carry and the functions never use.

A package imports all its parts with the first one: Powertools every event handler and data class, X-Ray's SDK asyncio,
botocore the generator of its documentation. Together they were a quarter of a cold start (docs/performance.md).
`tests/infrastructure/packaging/test_cuts.py` fails when an upgrade starts to need what is left out.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

_POWERTOOLS = "aws_lambda_powertools"
_HANDLERS = f"{_POWERTOOLS}/event_handler"
_CLASSES = f"{_POWERTOOLS}/utilities/data_classes"

# The folders and files to keep in each of these folders; everything else goes.
KEPT: Mapping[str, Sequence[str]] = {
    # Types are for DynamoDB's values in Powertools' idempotency, which also reads boto3's version.
    "boto3": ("__init__.py", "compat.py", "dynamodb"),
    "boto3/dynamodb": ("__init__.py", "types.py"),
    "aws_xray_sdk/ext": ("__init__.py", "boto_utils.py", "botocore", "resources", "util.py"),
    _HANDLERS: (
        "__init__.py",
        "api_gateway.py",
        "content_types.py",
        "depends.py",
        "exception_handling.py",
        "exceptions.py",
        "openapi",
        "request.py",
        "util.py",
    ),
    # The rest makes OpenAPI documents with pydantic, which is not in the bundle. `GET /docs` reads the Swagger UI.
    f"{_HANDLERS}/openapi": (
        "__init__.py",
        "config.py",
        "constants.py",
        "exceptions.py",
        "swagger_ui",
        "types.py",
    ),
    f"{_HANDLERS}/openapi/swagger_ui": ("swagger-ui-bundle.min.js", "swagger-ui.min.css"),
    _CLASSES: (
        "__init__.py",
        "alb_event.py",
        "api_gateway_proxy_event.py",
        "bedrock_agent_event.py",
        "common.py",
        "lambda_function_url_event.py",
        "shared_functions.py",
        "vpc_lattice.py",
    ),
    f"{_POWERTOOLS}/utilities": (
        "__init__.py",
        "data_classes",
        "idempotency",
        "jmespath_utils",
        "serialization.py",
        "validation",
    ),
    "botocore/docs": (),
}
LEFT_OUT = (
    "aws_xray_sdk/core/async_context.py",
    "aws_xray_sdk/core/async_recorder.py",
    f"{_POWERTOOLS}/metrics/provider/datadog",
    *(
        f"msgspec/{name}.py"
        for name in ("_json_schema", "_typing_utils", "inspect", "msgpack", "toml", "yaml")
    ),
    "s3transfer",
    "urllib3/contrib/emscripten",
    # Its own time zones, read only for a named zone that the machine lacks. The functions use zoneinfo and tzdata.
    "dateutil/zoneinfo/dateutil-zoneinfo.tar.gz",
)

# Lines of the packages' code and what they become, in files that must have each line once.
EDITED: Mapping[str, Mapping[str, str]] = {
    "aws_xray_sdk/core/__init__.py": {
        "from .async_recorder import AsyncAWSXRayRecorder\n": "",
        "xray_recorder = AsyncAWSXRayRecorder()\n": "xray_recorder = AWSXRayRecorder()\n",
    },
    # For coroutines, import hooks that other packages declare, and HTTP/2.
    "wrapt/synchronization.py": {"import asyncio\n": ""},
    "wrapt/importer.py": {"import importlib.metadata\n": ""},
    "urllib3/http2/__init__.py": {"from importlib.metadata import version\n": ""},
    "msgspec/__init__.py": {
        "from . import inspect, json, msgpack, structs, toml, yaml\n": "from . import json, structs\n"
    },
    "msgspec/json.py": {"from ._json_schema import schema, schema_components\n": ""},
    "boto3/__init__.py": {
        "from boto3.compat import _warn_deprecated_python\n": "",
        "from boto3.session import Session\n": "",
    },
    "boto3/compat.py": {
        "from boto3.exceptions import PythonDeprecationWarning\n": "",
        "from s3transfer.manager import TransferConfig\n": "",
        "TRANSFER_CONFIG_SUPPORTS_CRT = hasattr(TransferConfig, 'UNSET_DEFAULT')\n": "",
    },
}

# botocore makes these texts when they are read; the functions never read one.
_UNDOCUMENTED = '''"""In place of botocore's documentation."""


class Undocumented(str):
    def __new__(cls, *_, **__):
        return super().__new__(cls)

    def __getattr__(self, name):
        return lambda *_, **__: None


'''
WRITTEN: Mapping[str, str] = {
    f"{_HANDLERS}/__init__.py": (
        f"from {_HANDLERS.replace('/', '.')}.api_gateway import APIGatewayRestResolver, Response\n"
    ),
    f"{_HANDLERS}/openapi/__init__.py": "",
    # What api_gateway.py imports.
    f"{_CLASSES}/__init__.py": (
        "from .alb_event import ALBEvent\n"
        "from .api_gateway_proxy_event import APIGatewayProxyEvent, APIGatewayProxyEventV2\n"
        "from .bedrock_agent_event import BedrockAgentEvent\n"
        "from .lambda_function_url_event import LambdaFunctionUrlEvent\n"
        "from .vpc_lattice import VPCLatticeEvent, VPCLatticeEventV2\n"
    ),
    "botocore/docs/__init__.py": "",
    "botocore/docs/docstring.py": (
        f"{_UNDOCUMENTED}"
        "ClientMethodDocstring = PaginatorDocstring = WaiterDocstring = Undocumented\n"
    ),
    "botocore/docs/utils.py": (
        f"{_UNDOCUMENTED}AppendParamDocumentation = AutoPopulatedParam = Undocumented\n"
        "DocumentModifiedShape = HideParamFromOperations = Undocumented\n"
    ),
}


def cut(packages: Path) -> None:
    """Cut a folder of installed packages. Raises RuntimeError when a package is not as it was."""
    for folder, names in KEPT.items():
        for path in sorted((packages / folder).glob("*")):
            if path.name not in names:
                _remove(path)
    for name in LEFT_OUT:
        _remove(packages / name)
    for name, changes in EDITED.items():
        if (packages / name).exists():
            _edit(packages / name, changes)
    for name, text in WRITTEN.items():
        if (packages / name).parent.exists():
            (packages / name).write_text(text, encoding="utf-8")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _edit(file: Path, changes: Mapping[str, str]) -> None:
    text = file.read_text(encoding="utf-8")
    for old, new in changes.items():
        if text.count(f"\n{old}") + text.startswith(old) != 1:
            raise RuntimeError(f"{file}: does not have the line {old!r}; see {__name__}")
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
