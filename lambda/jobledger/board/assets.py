"""The board's own files: style sheets, a script and an icon."""

from pathlib import Path

from jobledger.api.parameters import BOARD_ASSET
from jobledger.api.responses import Answer
from jobledger.inputs.validation import is_valid

_STATIC = Path(__file__).with_name("static")
_MEDIA_TYPES = {
    "board.css": "text/css",
    "page.css": "text/css",
    "board.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


def asset(name: str) -> Answer | None:
    """Return one of the files for the page; None for an unknown name."""
    if not is_valid(name, BOARD_ASSET.schema):
        return None
    # No job data; the files only change with a deployment.
    cached = {"Cache-Control": "private, max-age=3600"}
    return Answer(read(name), f"{_MEDIA_TYPES[name]}; charset=utf-8", headers=cached)


def read(name: str) -> str:
    """Return the text of one of the files."""
    return (_STATIC / name).read_text(encoding="utf-8")
