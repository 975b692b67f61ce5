"""GET /docs and GET /openapi.json: the OpenAPI document, and Swagger UI without external requests.

Powertools ships the Swagger UI assets. They are read on request.
"""

from importlib import resources

from jobledger.api.responses import Answer
from jobledger.inputs.validation import Parameter, enumerated, is_valid

# Only the page's own files, and requests to this API.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_OURS = ("jobledger.api", "static")
_SWAGGER_UI = ("aws_lambda_powertools", "event_handler", "openapi", "swagger_ui")
_ASSETS = {
    "docs.css": (_OURS, "docs.css", "text/css"),
    "docs.js": (_OURS, "docs.js", "text/javascript"),
    "swagger-ui.css": (_SWAGGER_UI, "swagger-ui.min.css", "text/css"),
    "swagger-ui.js": (_SWAGGER_UI, "swagger-ui-bundle.min.js", "text/javascript"),
}
ASSET = Parameter(
    "Asset", enumerated(*_ASSETS), f"one of {', '.join(_ASSETS)}", "The file.", example="docs.js"
)


def openapi_json() -> str:
    """Return the committed OpenAPI document."""
    return _read(_OURS, "openapi.json")


def page() -> Answer:
    """Return the page that shows Swagger UI."""
    html = _read(_OURS, "docs.html")
    return Answer(html, "text/html; charset=utf-8", headers={"Content-Security-Policy": _POLICY})


def asset(name: str) -> Answer | None:
    """Return one of the page's files; None for an unknown name."""
    if not is_valid(name, ASSET.schema):
        return None
    place, file, media_type = _ASSETS[name]
    # No job data; the files only change with a deployment.
    cached = {"Cache-Control": "private, max-age=3600"}
    return Answer(_read(place, file), f"{media_type}; charset=utf-8", headers=cached)


def _read(place: tuple[str, ...], file: str) -> str:
    # Import only the topmost package: those below it would load all of Powertools' OpenAPI support.
    package, *folders = place
    return resources.files(package).joinpath(*folders, file).read_text(encoding="utf-8")
