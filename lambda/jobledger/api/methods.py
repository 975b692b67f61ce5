"""The routes and the methods that each supports. HEAD works wherever GET does."""

import re

ROUTES = {
    "/jobs": ("GET",),
    "/jobs/{JobId}": ("GET",),
    "/summary": ("GET",),
    "/digests": ("GET", "POST"),
    "/health": ("GET",),
    "/openapi.json": ("GET",),
    "/docs": ("GET",),
    "/docs/{Asset}": ("GET",),
    "/board": ("GET",),
    "/board/{Asset}": ("GET",),
    "/board/jobs/{JobId}": ("GET",),
}


def allowed_methods(path: str) -> tuple[str, ...]:
    """Return the methods of a path's route; empty for an unknown route."""
    for route, methods in ROUTES.items():
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(route))
        if re.fullmatch(f"{pattern}/*", path):
            head = ("HEAD",) if "GET" in methods else ()
            return (*methods, *head)
    return ()
