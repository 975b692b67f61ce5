"""Prepares the cloud assembly for the local AWS: removes the resources that MiniStack does not implement."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# No other resource refers to them.
WITHOUT_IMPLEMENTATION = ("AWS::Logs::QueryDefinition", "AWS::WAFv2::WebACLAssociation")


def remove_unimplemented(assembly: Path) -> list[str]:
    """Remove these resources from the templates; return their types, each once."""
    removed: set[str] = set()
    for path in assembly.glob("*.template.json"):
        template: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kept = {
            name: resource
            for name, resource in template["Resources"].items()
            if resource["Type"] not in WITHOUT_IMPLEMENTATION
        }
        if len(kept) < len(template["Resources"]):
            removed |= {r["Type"] for r in template["Resources"].values()} - {
                r["Type"] for r in kept.values()
            }
            path.write_text(json.dumps(template | {"Resources": kept}, indent=1), encoding="utf-8")
    return sorted(removed)
