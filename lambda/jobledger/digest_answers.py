"""The answers for the digests of several sources as one answer: of the digest function, and of `GET /digests`."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from jobledger.sources import place_of


def together(answers: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the answers, by source, as one. `Digests` has all of them; of the first one are the ids and the window.

    `Counts` has the sums, and `Published` says whether any was published.
    """
    digests = [{**place_of(source), **answer} for source, answer in answers.items()]
    one, counts = dict(digests[0]), Counter[str]()
    for answer in digests:
        counts.update(answer["Counts"])
    if "Published" in one:
        one["Published"] = any(answer["Published"] for answer in digests)
    del one["Account"], one["Region"]
    return {**one, "Counts": dict(counts), "Digests": digests}
