"""The filters of the API as the form of the page."""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from jobledger.board.markup import STATUSES, escaped
from jobledger.inputs.filters import FILTERS, SOURCE_FILTERS
from jobledger.service import Family, JobStatus

Sent = Mapping[str, Sequence[str]]
Wrong = Mapping[str, str]
"""What is allowed, by the name of each parameter that is not valid."""
NOTHING_WRONG: Wrong = MappingProxyType({})

DEFAULT_MAX_RESULTS = 50
_PAGE_SIZES = ("25", "50", "100", "500")
_A_DATE = "2026-11-01"
BOUNDS = ("SubmitTimeAfter", "SubmitTimeBefore")
_TEXT_FILTERS = tuple(
    name for name in FILTERS if name not in ("Family", "JobStatus", *SOURCE_FILTERS)
)
_LABELS = {
    "JobName": ("Name", "exact name"),
    "JobNamePrefix": ("Name starts with", "nightly-"),
    "SubmitTimeAfter": ("Submitted after", _A_DATE),
    "SubmitTimeBefore": ("Submitted before", _A_DATE),
    "JobId": ("Job ID", "opens the job"),
}


# With more, the accounts or regions are a list that scrolls.
_MOST_BOXES = 8


def filter_form(
    root: str,
    sent: Sent,
    families: Sequence[Family],
    sources: Sequence[str],
    *,
    paused: bool,
    wrong: Wrong = NOTHING_WRONG,
) -> str:
    """Return the form with the values that were sent, and what is wrong with them. It needs no script.

    `sources` are those of a ledger that has several.
    """
    active = [("true", "Active only")]
    statuses = [(status.value, STATUSES[status][0]) for status in JobStatus]
    hidden = '<input type="hidden" name="Refresh" value="off">' if paused else ""
    return (
        f'<form class="filters" id="filters" action="{root}board#jobs" role="search" aria-label="Filter jobs">{hidden}'
        f"{_choices('Status', 'JobStatus', statuses, sent)}"
        f"{_choices('Family', 'Family', [(family.value, family.value) for family in families], sent)}"
        f"{_choices('Now', 'Active', active, sent)}{_source_choices(sources, sent)}"
        '<div class="fields">'
        f"{_text_fields((*_TEXT_FILTERS, 'JobId'), sent, wrong)}"
        f"{_order(sent)}{_page_size(sent)}</div>{_other_errors(wrong)}"
        f'<div class="buttons"><button type="submit">Apply filters</button>'
        f'<a href="{root}board">Clear</a><small>Times: a date (midnight UTC), or 2026-11-01T08:00:00Z.</small></div></form>'
    )


def widget_form(sent: Sent, families: Sequence[Family], sources: Sequence[str]) -> str:
    """Return the fields of the widget's form. Empty ones leave the configured parameters as they are."""
    statuses = [("", "As configured")] + [
        (status.value, STATUSES[status][0]) for status in JobStatus
    ]
    choices = [("", "As configured")] + [(family.value, family.value) for family in families]
    names = ("JobStatus", "Family", *SOURCE_FILTERS)
    chosen = {name: "".join(sent.get(name, ())[:1]) for name in names}
    of_sources = "".join(
        _select(name, name, [("", "As configured"), *((one, one) for one in values)], chosen[name])
        for name, values in _parts_of(sources).items()
    )
    return (
        '<form class="filters"><div class="fields">'
        f"{_select('Status', 'JobStatus', statuses, chosen['JobStatus'])}"
        f"{_select('Family', 'Family', choices, chosen['Family'])}{of_sources}"
        f"{_text_fields([name for name in _TEXT_FILTERS if name not in BOUNDS], sent)}</div></form>"
    )


def _parts_of(sources: Sequence[str]) -> dict[str, list[str]]:
    """Return the accounts and the regions of sources; nothing without sources."""
    parts = zip(*(source.split("/") for source in sources), strict=True)
    return {name: sorted(set(part)) for name, part in zip(SOURCE_FILTERS, parts, strict=False)}


def _source_choices(sources: Sequence[str], sent: Sent) -> str:
    return "".join(
        _choices(name, name, [(one, one) for one in values], sent)
        if len(values) <= _MOST_BOXES
        else _scrolling(name, values, sent)
        for name, values in _parts_of(sources).items()
    )


def _scrolling(name: str, values: Sequence[str], sent: Sent) -> str:
    """Return a list of which several can be chosen."""
    listed = "".join(
        f"<option{' selected' if value in sent.get(name, ()) else ''}>{value}</option>"
        for value in values
    )
    return (
        f'<fieldset><legend>{name}</legend><select class="several" name="{name}" multiple size="5"'
        f' aria-label="{name}">{listed}</select></fieldset>'
    )


def _choices(legend: str, name: str, options: Sequence[tuple[str, str]], sent: Sent) -> str:
    boxes = "".join(
        f'<label class="choice"><input type="checkbox" name="{name}" value="{value}"'
        f"{' checked' if value in sent.get(name, ()) else ''}> {label}</label>"
        for value, label in options
    )
    return f"<fieldset><legend>{legend}</legend>{boxes}</fieldset>"


def _text_fields(names: Iterable[str], sent: Sent, wrong: Wrong = NOTHING_WRONG) -> str:
    """Return a field for each of these parameters. Without a label of its own, it has the name in words."""
    fields = []
    for name in names:
        label, hint = _LABELS.get(name) or (_in_words(name), str(FILTERS[name].example or ""))
        fields.append(_text_field(label, name, hint, sent, wrong))
    return "".join(fields)


def _in_words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def _text_field(label: str, name: str, hint: str, sent: Sent, wrong: Wrong = NOTHING_WRONG) -> str:
    value = escaped("".join(sent.get(name, ())[:1]))
    field = f'<input name="{name}" value="{value}" placeholder="{hint}" dir="auto" autocomplete="off" spellcheck="false"'
    if name not in wrong:
        return f"<label>{label}{field}></label>"
    return (
        f'<div><label>{label}{field} aria-invalid="true" aria-describedby="wrong-{name}"></label>'
        f'<p class="wrong" id="wrong-{name}">Not valid. Allowed: {escaped(wrong[name])}.</p></div>'
    )


def _other_errors(wrong: Wrong) -> str:
    """Return what is wrong with parameters that have no text field in the form."""
    return "".join(
        f'<p class="wrong"><code>{escaped(name)}</code>: {escaped(allowed)}</p>'
        for name, allowed in wrong.items()
        if name not in (*_TEXT_FILTERS, "JobId")
    )


def _order(sent: Sent) -> str:
    chosen = "".join(sent.get("Order", ())[:1])
    options = (
        ("", "Default"),
        ("descending", "Newest first"),
        ("ascending", "Oldest first"),
    )
    return _select("Order", "Order", options, chosen)


def _page_size(sent: Sent) -> str:
    chosen = "".join(sent.get("MaxResults", ())[:1]) or str(DEFAULT_MAX_RESULTS)
    sizes = sorted({*_PAGE_SIZES, chosen} if chosen.isdigit() else _PAGE_SIZES, key=int)
    return _select("Jobs a page", "MaxResults", [(size, size) for size in sizes], chosen)


def _select(label: str, name: str, options: Sequence[tuple[str, str]], chosen: str) -> str:
    listed = "".join(
        f'<option value="{value}"{" selected" if value == chosen else ""}>{text}</option>'
        for value, text in options
    )
    return f'<label>{label}<select name="{name}">{listed}</select></label>'
