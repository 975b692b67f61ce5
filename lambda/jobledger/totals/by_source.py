"""The counter rows of some sources: those of members, or those of the ledger without the other members.

The own source has no counters of its own. The rows of several sources are read side by side, so that the time does not
depend on their number.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec

from jobledger.ledger.counters import CounterRow
from jobledger.ledger.ledger import Ledger
from jobledger.service import Family

_READERS = 16

Read = Callable[[str | None], Iterable[CounterRow]]
"""Reads rows of the ledger (None), or of a member."""


class ChosenCounters(msgspec.Struct, frozen=True):
    """Whose counter rows are added, and whose are taken off; None is the whole ledger."""

    added: tuple[str | None, ...] = (None,)
    removed: tuple[str, ...] = ()

    def rows(self, read: Read) -> Iterator[CounterRow]:
        """Yield the rows of these sources together."""
        if self.added == (None,) and not self.removed:
            yield from read(None)
            return
        from concurrent.futures import ThreadPoolExecutor

        signs = dict.fromkeys(self.added, 1) | dict.fromkeys(self.removed, -1)
        together: dict[tuple[Family, str], Counter[str]] = {}
        with ThreadPoolExecutor(min(_READERS, len(signs))) as pool:
            found = pool.map(lambda source: list(read(source)), signs)
            for sign, rows in zip(signs.values(), found, strict=True):
                for row in rows:
                    counts = together.setdefault((row.family, row.period), Counter())
                    for name, number in row.counts.items():
                        counts[name] += sign * number
        for (family, period), counts in together.items():
            # A job that is written between two reads can be in the second alone.
            yield CounterRow(family, period, +counts)


def chosen_counters(ledger: Ledger, sources: Collection[str]) -> ChosenCounters:
    """Return the counters that have the jobs of some sources; of all without any."""
    if not sources:
        return ChosenCounters()
    if ledger.scope not in sources:
        return ChosenCounters(tuple(sources))
    others = set(ledger.known_sources()) - {*sources, ledger.scope}
    return ChosenCounters((None,), tuple(sorted(others)))
