"""`make local` from start to end: servers, deployment, session, cleanup."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from local.assembly import remove_unimplemented
from local.deployment import (
    REGION,
    LocalAws,
    clean_environment,
    publish_ready,
    reachable_api_url,
    write_environment,
)
from local.options import HOST, Options, read_options
from local.processes import Children, LocalError, Stopped, StopSignals
from local.session import Session
from local.sources import members_of
from local.story import Story

# A sample account stays alive: about five of these jobs are active at a time.
TRICKLE_SECONDS = 20


class Progress:
    """Prints steps with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, message: str) -> None:
        self.plain(f"[{time.monotonic() - self._started:5.1f} s] {message}")

    def plain(self, text: str) -> None:
        # The terminal can be gone (SIGHUP); clean up anyway.
        with contextlib.suppress(OSError):
            print(text, flush=True)


def main(arguments: Sequence[str]) -> int:
    say = Progress()
    with StopSignals() as signals:
        try:
            options = read_options(arguments, os.environ)
            with only_run_of(options.state_dir):
                run(options, signals, say)
        except LocalError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except Stopped as stopped:
            return 128 + stopped.number
    return 0


@contextlib.contextmanager
def only_run_of(state_dir: Path) -> Iterator[None]:
    """Allow only one run per state folder: runs would share logs and the cloud assembly."""
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / "local.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LocalError(
                f"another `make local` runs on {state_dir}: stop it, or use a clone of its own"
            ) from error
        yield


def run(options: Options, signals: StopSignals, say: Progress) -> None:
    ready_file = options.state_dir / "ready.json"
    environment_file = options.state_dir / "env"
    ready_file.unlink(missing_ok=True)
    # The runner's own clients must not use the user's profile or credentials.
    environment = clean_environment(os.environ, options)
    os.environ.clear()
    os.environ.update(environment)
    children = Children(options.state_dir, signals)
    ready = False
    try:
        answers = deploy(LocalAws(options.reading_outputs(), children, environment), say)
        write_environment(environment_file, answers)
        publish_ready(ready_file, answers)
        ready = True
        say(
            f"ready; Ctrl-C ends it. For the tools of another terminal: . {shown(environment_file)}"
        )
        say.plain(f"The board: {answers['ApiUrl']}/board")
        stay_up(children)
    except Stopped:
        # Once everything is up, this is the normal end of a run; before that, the run was interrupted.
        if not ready:
            raise
    finally:
        signals.ignore()
        ready_file.unlink(missing_ok=True)
        environment_file.unlink(missing_ok=True)
        say("stopping")
        children.stop()
        shutil.rmtree(options.state_dir / "ministack", ignore_errors=True)
        say("stopped")


def deploy(aws: LocalAws, say: Progress) -> dict[str, object]:
    """Start everything from the servers to the session; return the contents of `ready.json`."""
    outputs = bring_up(aws, say)
    options, check = aws.options, aws.children.check_servers
    api_url = reachable_api_url(outputs["ApiUrl"], options.aws_endpoint)
    session = Session(api_url, options.aws_endpoint, outputs)
    session.open_methods()
    say("waiting for the first sync")
    session.wait_for_first_sync(check)
    say(f"the first sync is done; the API is {api_url}")
    started = options.comprehend_endpoint if is_sample(options) else None
    for part in Story(session, aws.mail, started, check, options.sources).parts():
        say.plain(f"\n{part}")
    say.plain("")
    sources = {"Sources": options.sources} if options.sources else {}
    return {
        **sources,
        "ApiUrl": api_url,
        "AwsEndpoint": options.aws_endpoint,
        "ComprehendMedicalEndpoint": options.comprehend_endpoint,
        "Region": REGION,
        "Outputs": outputs,
    }


def is_sample(options: Options) -> bool:
    """Whether the stand-in has the sample account, in which jobs may be started."""
    return options.comprehend_port is not None and options.jobs is None


def shown(path: Path) -> Path:
    """Return a path as it is typed in the current directory."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def bring_up(aws: LocalAws, say: Progress) -> dict[str, str]:
    """Return the stack's outputs. The slow synthesis runs while the servers start."""
    options, children = aws.options, aws.children
    say("starting the local AWS and the stand-in; cdk synth runs")
    stand_in = None
    if options.comprehend_port is not None:
        stand_in = aws.start_stand_in(trickle=TRICKLE_SECONDS if is_sample(options) else 0)
    ministack = aws.start_ministack()
    synth = aws.start_synth()
    members = members_of(options.sources)
    synth_member = aws.start_synth_member() if members else None
    children.wait_for_port(ministack, (HOST, options.aws_port))
    say(f"MiniStack is up on {options.aws_endpoint}")
    bootstrap = aws.start_bootstrap()
    if stand_in and options.comprehend_port:
        children.wait_for_port(stand_in, (HOST, options.comprehend_port))
        say(f"the Comprehend Medical stand-in is up on {options.comprehend_endpoint}")
    say("cdk bootstrap runs")
    children.finish(bootstrap)
    say("cdk bootstrap is done; waiting for cdk synth")
    children.finish(synth)
    if synth_member:
        children.finish(synth_member)
        say(f"the stack of members is deployed to {', '.join(members)}")
    deployed = [aws.start_deploy_member(account) for account in members]
    missing = remove_unimplemented(aws.assembly)
    say(f"cdk synth is done; left out, as the local AWS does not have it: {', '.join(missing)}")
    say("cdk deploy runs")
    children.finish(aws.start_deploy())
    for member in deployed:
        children.finish(member)
    outputs = aws.outputs()
    say(f"cdk deploy is done: {len(outputs)} outputs")
    return outputs


def stay_up(children: Children) -> None:
    while True:
        children.check_servers()
        time.sleep(0.2)
