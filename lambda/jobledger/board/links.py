"""Where a control of the board leads: to a URL on the page, to another call in the widget."""

import json
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import quote

import msgspec

from jobledger.api import links
from jobledger.board.markup import escaped

Filters = Mapping[str, Sequence[str]]


class Links(Protocol):
    """The two kinds of control that the shared sections need. `inner` is HTML."""

    def job(self, job_id: str, inner: str, source: str | None = None) -> str:
        """Return a control that opens a job, of this source if the ledger has several."""
        ...

    def jobs(self, filters: Filters, inner: str, css: str = "") -> str:
        """Return a control that lists the jobs that match filters."""
        ...


class PageLinks(msgspec.Struct, frozen=True):
    """Relative links, so that the page works below any prefix. `root` leads to the API's root."""

    root: str

    def job(self, job_id: str, inner: str, source: str | None = None) -> str:
        """Return a link to the page of a job."""
        return f'<a href="{self.job_address(job_id, source)}">{inner}</a>'

    def job_address(self, job_id: str, source: str | None = None) -> str:
        """Return the address of the page of a job, ready for an attribute."""
        query = f"?{query_string(source_filters(source))}" if source else ""
        return f"{self.root}board/jobs/{quote(job_id, safe='', errors='replace')}{query}"

    def jobs(self, filters: Filters, inner: str, css: str = "") -> str:
        """Return a link to a list of jobs."""
        css = f' class="{css}"' if css else ""
        return f'<a{css} href="{self.root}board?{query_string(filters)}#jobs">{inner}</a>'


class WidgetLinks(msgspec.Struct, frozen=True):
    """Calls of the widget's own function, as CloudWatch's `cwdb-action` elements.

    An action belongs to the element before it (Amazon CloudWatch User Guide, "Interactivity in the custom
    widget"). `endpoint` is the ARN that the function was invoked by.
    """

    endpoint: str

    def job(self, job_id: str, inner: str, source: str | None = None) -> str:
        """Return a control that shows a job in a pop-up."""
        of_source = {name: texts[0] for name, texts in source_filters(source).items()}
        call = {"Action": "Job", "JobId": job_id, **of_source}
        return f"<a>{inner}</a>{self.action(call, popup=True)}"

    def jobs(self, filters: Filters, inner: str, css: str = "") -> str:
        """Return a control that lists jobs in the widget."""
        css = f' class="{css}"' if css else ""
        return f"<a{css}>{inner}</a>{self.action({'Action': 'List', **filters})}"

    def button(self, label: str, parameters: Mapping[str, object], css: str) -> str:
        """Return a button that calls the widget's function."""
        return f'<a class="{css}">{label}</a>{self.action(parameters)}'

    def action(self, parameters: Mapping[str, object], *, popup: bool = False) -> str:
        """Return the action of the element before it: a call with these parameters."""
        display = "popup" if popup else "widget"
        return (
            f'<cwdb-action action="call" display="{display}" endpoint="{escaped(self.endpoint)}">'
            f"{_json(parameters)}</cwdb-action>"
        )


def source_filters(source: str | None) -> dict[str, list[str]]:
    """Return the filters that select one source; none for a job that shows no source."""
    account, _, region = (source or "").partition("/")
    return {"Account": [account], "Region": [region]} if source else {}


def query_string(filters: Filters) -> str:
    """Return filters as the query of a URL, ready for an attribute."""
    return escaped(links.query_string(filters))


def _json(parameters: Mapping[str, object]) -> str:
    # Escaped as JSON instead of as HTML: it is the same JSON whether or not CloudWatch decodes entities.
    text = json.dumps(parameters)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
