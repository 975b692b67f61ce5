"""The entry point of the command: Ctrl-C ends it from the first moment, while the rest is imported."""

import os
import signal

INTERRUPTED = 130


def end_at_once(*_: object) -> None:
    """End as an interrupted command does, without a traceback."""
    os._exit(INTERRUPTED)


def main() -> None:
    """Run the command line."""
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # as in a shell's background
        signal.signal(signal.SIGINT, end_at_once)
    from job_ledger.command.main import main as run

    run()
