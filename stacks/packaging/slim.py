"""Removes from the bundle what Lambda would unpack and never read.

botocore describes 400 services; the functions call a few operations of nine. With only their descriptions,
uncompressed and without documentation, clients are created faster and the bundle is less than half as large
(docs/performance.md has the figures).
"""

import gzip
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jobledger.service import Family, operations
from stacks.packaging.cuts import cut

# Every operation that the code calls, by service. botocore in the bundle knows no others.
OPERATIONS = {
    "comprehendmedical": operations(Family),
    "dynamodb": (
        "BatchGetItem",
        "DeleteItem",  # this and the next two: Powertools' idempotency
        "PutItem",
        "UpdateItem",
        "GetItem",
        "Query",
        "TransactWriteItems",
    ),
    "events": ("PutEvents",),
    "kms": ("Decrypt", "Encrypt"),
    "lambda": ("Invoke",),
    "s3": ("GetObject",),
    "sns": ("Publish",),
    "sqs": ("DeleteMessageBatch", "ReceiveMessage", "SendMessage"),
    "sts": ("AssumeRole",),
}
SERVICES = tuple(OPERATIONS)

# The files that a client reads when it is created. The functions use no paginator and no waiter.
_SERVICE_FILES = ("endpoint-rule-set-1", "service-2", "service-2.sdk-extras")
_USELESS_FOLDERS = ("__pycache__", "tests", "examples", "include", "bin")
# The file beside botocore's own that jobledger/clients.py reads.
ROOTS_FILE = "amazon-roots.pem"
_CERTIFICATE = r'# Label: "(.+)"\n(?:#.*\n)*(-+BEGIN CERTIFICATE-+\n[^-]+-+END CERTIFICATE-+\n)'
_ROOTS = (
    "Amazon Root CA 1",
    "Amazon Root CA 2",
    "Amazon Root CA 3",
    "Amazon Root CA 4",
    "Starfield Services Root Certificate Authority - G2",
)
_USELESS_SUFFIXES = (".pyi", ".pyx", ".pxd", ".c", ".h")


def slim(packages: Path) -> None:
    """Remove from a folder of installed packages what the functions do not need."""
    _remove_useless(packages)
    cut(packages)
    _keep_services(packages / "botocore" / "data")
    certificates = packages / "botocore" / "cacert.pem"
    if certificates.exists():
        roots = amazon_roots(certificates.read_text(encoding="utf-8"))
        certificates.with_name(ROOTS_FILE).write_text(roots, encoding="ascii")
    endpoints = packages / "botocore" / "data" / "endpoints.json"
    if endpoints.exists():
        _cut_endpoints(endpoints)


def amazon_roots(certificates: str) -> str:
    """Return the certificates of Amazon's roots, to which all its endpoints in the `aws` partition chain.

    https://www.amazontrust.com/repository/ lists them. Raises ValueError when botocore's file lacks one.
    """
    found = dict(re.findall(_CERTIFICATE, certificates))
    if missing := set(_ROOTS) - found.keys():
        raise ValueError(f"botocore's certificates lack {', '.join(sorted(missing))}")
    return "".join(found[name] for name in _ROOTS)


def _remove_useless(packages: Path) -> None:
    for path in sorted(packages.rglob("*"), reverse=True):
        if path.is_dir():
            # No code in the bundle reads versions or entry points with importlib.metadata.
            if (
                path.name in _USELESS_FOLDERS
                or path.suffix == ".dist-info"
                or path.name.endswith("-stubs")
            ):
                shutil.rmtree(path)
        elif path.suffix in _USELESS_SUFFIXES:
            path.unlink()


def _keep_services(data: Path) -> None:
    for service in sorted(path for path in data.glob("*") if path.is_dir()):
        if service.name not in OPERATIONS:
            shutil.rmtree(service)
            continue
        *older, newest = sorted(path for path in service.iterdir() if path.is_dir())
        for version in older:
            shutil.rmtree(version)
        for file in sorted(newest.iterdir()):
            _unpack(file, OPERATIONS[service.name])


def _unpack(file: Path, operations: Sequence[str]) -> None:
    """Unpack a service description to plain JSON and cut it, or remove it when no client reads it."""
    name = file.name.removesuffix(".gz").removesuffix(".json")
    text = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    file.unlink()
    if name not in _SERVICE_FILES:
        return
    described = _without_documentation(json.loads(text))
    if name == "service-2":
        described = cut_model(described, operations)
    _write_json(file.with_name(f"{name}.json"), described)


def cut_model(model: dict[str, Any], operations: Sequence[str]) -> dict[str, Any]:
    """Return a service model with these operations and the shapes that they use."""
    kept = {name: model["operations"][name] for name in operations}
    shapes: dict[str, Any] = {}
    pending = list(_shape_names(kept))
    while pending:
        name = pending.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            pending += _shape_names(shapes[name])
    parameters = {
        name: {"documentation": "", **declared}  # botocore reads it
        for name, declared in model.get("clientContextParams", {}).items()
    }
    return model | {"operations": kept, "shapes": shapes, "clientContextParams": parameters}


def _shape_names(described: object) -> Iterator[str]:
    """Yield the shapes that a part of a model refers to: each reference is `{"shape": name, …}`."""
    if isinstance(described, dict):
        if isinstance(described.get("shape"), str):
            yield described["shape"]
        for value in described.values():
            yield from _shape_names(value)
    elif isinstance(described, list):
        for value in described:
            yield from _shape_names(value)


def _without_documentation(described: Any) -> Any:
    """Remove the texts for people. A member or parameter of that name is an object, and stays."""
    if isinstance(described, dict):
        return {
            name: _without_documentation(value)
            for name, value in described.items()
            if not (name == "documentation" and isinstance(value, str))
        }
    if isinstance(described, list):
        return [_without_documentation(value) for value in described]
    return described


def _cut_endpoints(file: Path) -> None:
    endpoints = json.loads(file.read_bytes())
    for partition in endpoints["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in SERVICES if name in services}
    _write_json(file, endpoints)


def _write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, separators=(",", ":"), ensure_ascii=False), encoding="utf-8")
