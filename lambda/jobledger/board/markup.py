"""Text, times and numbers as HTML. Every value from outside passes `escaped` or `foreign`."""

from jobledger.service import JobStatus

# Characters that HTML does not allow, not even as references (HTML standard, "Preprocessing the input
# stream"): controls, and the surrogates that JSON can carry. U+FFFD replaces them.
_NOT_ALLOWED = dict.fromkeys(
    {*range(0xA0), *range(0xD800, 0xE000)} - {*range(0x20, 0x7F), 9, 10}, "\ufffd"
)
_REFERENCES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}  # & comes first
_ESCAPES = _NOT_ALLOWED | {ord(sign): reference for sign, reference in _REFERENCES.items()}

STATUSES = {
    JobStatus.COMPLETED.value: ("Completed", "ok"),
    JobStatus.PARTIAL_SUCCESS.value: ("Partial success", "part"),
    JobStatus.FAILED.value: ("Failed", "fail"),
    JobStatus.STOPPED.value: ("Stopped", "stop"),
    JobStatus.IN_PROGRESS.value: ("In progress", "run"),
    JobStatus.SUBMITTED.value: ("Submitted", "sub"),
    JobStatus.STOP_REQUESTED.value: ("Stop requested", "ask"),
}
"""Label and CSS class of each modelled status, in the order in which the board shows them."""


def escaped(text: str) -> str:
    """Return any text as HTML text or attribute value."""
    if not text.isprintable():
        return text.translate(_ESCAPES)
    # The usual case, in a tenth of the time.
    for character, reference in _REFERENCES.items():
        text = text.replace(character, reference)
    return text


def foreign(text: str) -> str:
    """Return text from outside as HTML, isolated: its direction does not affect its surroundings."""
    return f"<bdi>{escaped(text)}</bdi>"


def shortened(text: str, most_bytes: int) -> str:
    """Return the start of a text as HTML of at most this many bytes in UTF-8."""
    whole = escaped(text[:most_bytes])
    encoded = whole.encode()
    if len(text) <= most_bytes and len(encoded) <= most_bytes:
        return whole
    start = encoded[: most_bytes - len("…".encode())].decode(errors="ignore")
    # A character reference is kept whole or dropped.
    before, sign, reference = start.rpartition("&")
    return f"{before if sign and ';' not in reference else start}…"


def status_mark(status: str | None) -> str:
    """Return a status as its label with a colour, which is never the only sign."""
    if status is None:
        return '<span class="st other">Unknown</span>'
    label, css = STATUSES.get(status, (None, "other"))
    return f'<span class="st {css}">{label or shortened(status, 60)}</span>'


def label_of(status: str) -> str:
    """Return the label of a status as HTML."""
    return STATUSES[status][0] if status in STATUSES else shortened(status, 60)


def time_mark(time: str | None) -> str:
    """Return a time of the ledger as HTML, to the second and in UTC."""
    if not time:
        return '<span class="none">unknown</span>'
    # The attribute is for the script that shows times in the reader's zone.
    return f'<time datetime="{escaped(time)}">{escaped(time[:19].replace("T", " "))}</time>'


UTC = '<span class="zone">UTC</span>'
"""The zone of the times beside it, which the script replaces with the reader's."""


def number(value: int) -> str:
    """Return a count with thousands separated."""
    return f"{value:,}"


def span(seconds: float | None) -> str:
    """Return a duration in its two largest units: `3 d 4 h`, `14 min 8 s`, `45 s`."""
    if seconds is None:
        return "–"
    whole = int(seconds)
    for (size, name), (smaller, smaller_name) in _UNITS:
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {name}" + (f" {rest} {smaller_name}" if rest else "")
    return f"{whole} s"


def about(seconds: float | None) -> str:
    """Return a duration rounded to one unit: `45 s`, `7 min`, `1.5 h`."""
    if seconds is None:
        return "–"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"


_UNITS = (
    ((86_400, "d"), (3_600, "h")),
    ((3_600, "h"), (60, "min")),
    ((60, "min"), (1, "s")),
)
