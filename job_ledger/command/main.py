"""The command `jobledger`, and how it reports errors."""

import signal
import sys
from typing import Any, NoReturn

import click

from job_ledger.command.digest import digest
from job_ledger.command.doctor import doctor
from job_ledger.command.entry import INTERRUPTED, end_at_once
from job_ledger.command.health import health
from job_ledger.command.job import job
from job_ledger.command.jobs import jobs
from job_ledger.command.open import open_page
from job_ledger.command.options import connection_options, in_words_of_the_options
from job_ledger.command.output import printable
from job_ledger.command.summary import summary
from job_ledger.command.wait import wait
from job_ledger.command.watch import watch
from job_ledger.errors import ApiError, JobLedgerError
from job_ledger.version import VERSION

FAILED = 1


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted; `wait` and `doctor` have their own.",
)
@click.version_option(VERSION, prog_name="jobledger")
@connection_options
def jobledger() -> None:
    """Comprehend Medical's batch jobs from a Job Ledger.

    \b
    Examples:
      jobledger jobs --status FAILED --after 7d
      jobledger jobs --all --output jobs.csv
      jobledger wait --job-name nightly --after 1h && ./load.sh

    The API is at --url, at JOB_LEDGER_URL, or at the output ApiUrl of the stack JobLedger. Requests are
    signed with your AWS credentials.

    Shell completion, for bash (zsh and fish likewise): eval "$(_JOBLEDGER_COMPLETE=bash_source jobledger)"
    """


for subcommand in (jobs, job, summary, watch, wait, digest, health, doctor, open_page):
    jobledger.add_command(subcommand)


def main() -> NoReturn:
    """Run the command line; an error is one line on standard error."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number and signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, _stop)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # both are text files
    try:
        if signal.getsignal(signal.SIGINT) == end_at_once:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = _run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, end_at_once)
    sys.exit(code)


def _run() -> int:
    try:
        code: Any = jobledger.main(prog_name="jobledger", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "jobledger"
        message = error.format_message()
        message = message if message.endswith("?") else f"{message.removesuffix('.')}."
        return _failed(f"{message} See `{command} --help`.", error.exit_code)
    except click.ClickException as error:
        return _failed(error.format_message())
    except ApiError as error:
        return _failed(in_words_of_the_options(str(error)))
    except (JobLedgerError, ValueError) as error:
        return _failed(str(error))
    except click.Abort:
        return INTERRUPTED
    except OSError as error:
        return _failed(f"{error.strerror}: {error.filename or 'the output'}")
    return code if isinstance(code, int) else 0


def _stop(number: int, _: object) -> NoReturn:
    """End as after an exception, so that what was begun is removed."""
    sys.exit(128 + number)


def _failed(text: str, code: int = FAILED) -> int:
    click.echo(f"error: {printable(' '.join(text.split()))}", err=True)
    return code
