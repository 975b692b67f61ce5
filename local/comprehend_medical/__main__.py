"""Runs the stand-in: `python -m local.comprehend_medical --port 4600 --jobs jobs.json`."""

import argparse
import errno
import random
import signal
import sys
import threading
import time
from dataclasses import fields
from pathlib import Path

from local.comprehend_medical.errors import ControlError, JobsFileError
from local.comprehend_medical.loading import load_jobs
from local.comprehend_medical.sample import sample_sources
from local.comprehend_medical.server import Server
from local.comprehend_medical.settings import Hostility, Settings, changed
from local.comprehend_medical.sources import OWN_SOURCE

# Half a day of one job each 20 seconds.
MOST_SAMPLE_JOBS = 2_000


_TEXTS = (
    (
        "--jobs",
        "FILE",
        (
            "JSON: what `aws comprehendmedical list-snomedct-inference-jobs` prints, or an object "
            "of families to such lists; without it, a made-up account of 2,500 jobs"
        ),
    ),
    ("--tame", "NAME,NAME", "turn hostilities off, or all of them with `all`"),
    (
        "--sources",
        "ACCOUNT/REGION,…",
        (
            f"sources with made-up jobs beside the own one, {OWN_SOURCE}: jobs, quotas and faults are then kept for "
            "each account and region of a signature (with --jobs, all but the own one are empty)"
        ),
    ),
    (
        "--iam-endpoint",
        "URL",
        "let the IAM of this local AWS authorize every call, and say which account a key belongs to",
    ),
    ("--s3-endpoint", "URL", "write the manifests of ended jobs to this local S3"),
)


def _parser() -> argparse.ArgumentParser:
    switches = "\n".join(f"  {f.name:<16} {f.metadata['meaning']}" for f in fields(Hostility))
    parser = argparse.ArgumentParser(
        prog="python -m local.comprehend_medical",
        description="A stand-in for Amazon Comprehend Medical's batch jobs, on loopback.",
        epilog=f"hostilities, all on unless tamed:\n{switches}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=4600, help="default 4600; 0 takes a free one")
    for name, metavar, text in _TEXTS:
        parser.add_argument(name, default="", metavar=metavar, help=text)
    parser.add_argument(
        "--trickle",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help=f"start a sample job every so often, {MOST_SAMPLE_JOBS:,} in all (default 0: none)",
    )
    for field in fields(Settings):
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=type(field.default),
            default=field.default,
            metavar="VALUE",
            help=f"{field.metadata['meaning']} (default {field.default})",
        )
    return parser


def _configured(arguments: argparse.Namespace) -> tuple[Hostility, Settings]:
    names = [name.strip() for name in arguments.tame.split(",") if name.strip()]
    switches = [switch.name for switch in fields(Hostility)]
    unknown = [name for name in names if name not in (*switches, "all")]
    if unknown:
        raise ControlError(f"--tame {unknown[0]}: allowed are all, {', '.join(switches)}")
    tamed = switches if "all" in names else names
    values = {field.name: getattr(arguments, field.name) for field in fields(Settings)}
    return changed(Hostility(), Settings(), dict.fromkeys(tamed, False) | values)


def _server(arguments: argparse.Namespace) -> Server:
    hostility, settings = _configured(arguments)
    # Jobs of an export stay unchanged; active sample jobs finish over time.
    sources = [OWN_SOURCE, *(each for each in arguments.sources.split(",") if each)]
    if arguments.jobs:
        jobs = {OWN_SOURCE: load_jobs(Path(arguments.jobs))} | {each: {} for each in sources[1:]}
    else:
        jobs = sample_sources(time.time(), sources)
    return Server(
        jobs.pop(OWN_SOURCE),
        hostility,
        settings,
        active_jobs_finish=not arguments.jobs,
        port=arguments.port,
        s3_endpoint=arguments.s3_endpoint,
        sources=jobs,
        iam_endpoint=arguments.iam_endpoint,
    )


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    arguments = _parser().parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        server = _server(arguments)
    except (ControlError, JobsFileError) as error:
        return _refused(str(error))
    except OverflowError:
        return _refused(f"--port {arguments.port}: allowed is 0 to 65535")
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = (
            "is taken; choose another with --port" if taken else f"is refused: {error.strerror}"
        )
        return _refused(f"port {arguments.port} {reason}")
    with server:
        jobs = sum(service.count() for service in server.services())
        print(f"Comprehend Medical stand-in: {server.endpoint} ({jobs:,} jobs)", flush=True)
        rng, left = random.Random(), MOST_SAMPLE_JOBS
        while not stop.wait(arguments.trickle if arguments.trickle > 0 and left else None):
            rng.choice(server.services()).start_sample_job(rng)
            left -= 1
    return 0


def _refused(message: str) -> int:
    print(f"comprehend_medical: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
