"""What a function has written to its log by the end of a call: all of it, and without a wait.

MiniStack reads the log beside the answer, and does not know where the log of a call ends. It waits 50 ms for a
first line, so that each call of a function that writes none takes that much longer; and where the line is late, it
counts as one of the function's next call.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

END = "the end of a call's log"
ANSWER = "        _real_stdout.flush()\n\nrun()\n"


def marking_ends(worker: str) -> str:
    """The script of MiniStack's Python worker, made to write `END` to its log before it answers."""
    before, answer, after = worker.rpartition(ANSWER)
    if not answer:
        raise ValueError("MiniStack's Python worker does not answer as this project expects")
    return f"{before}        print({END!r}, file=sys.stderr, flush=True)\n{answer}{after}"


def read_to_end(read: Callable[..., str]) -> Callable[..., str]:
    """Wrap MiniStack's read of a worker's log: that of a Python worker is read up to `END`."""

    def read_log(worker: Any, *rest: Any, **more: Any) -> str:
        if not worker.config["Runtime"].startswith("python"):
            return read(worker, *rest, **more)
        lines: list[str] = []
        try:
            # A process that was killed in a call has written no end.
            while (line := worker._stderr_queue.get(timeout=1)) != END:
                lines.append(line)
        except queue.Empty:
            pass
        return "\n".join(lines)

    return read_log
