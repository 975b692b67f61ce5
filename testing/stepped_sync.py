"""A sync that a test steps through, from one call out to the next."""

import threading

from jobledger.sync.walk import Sync
from testing.world import World

STEP_SECONDS = 30


class Crash(BaseException):
    """The process dies: nothing may catch it."""


class Stepped:
    """A sync in a thread of its own that halts before each call out, until the test resumes it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._go, self._halted = threading.Event(), threading.Event()
        self._crash = False
        self._operation = ""
        self.finished = False
        self.repaired = 0
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._await_halt()

    def step(self) -> None:
        if self.finished:
            return
        self._go.set()
        self._await_halt()

    def crash(self) -> None:
        self._crash = True
        self.step()

    def step_to_write(self, number: int) -> None:
        """Go on until the sync is about to make its next write, or the one after that, and so on."""
        for _ in range(number):
            self.step()
            while not self.finished and self._operation != "transact_write_items":
                self.step()

    def halt(self, operation: str) -> None:
        if threading.current_thread() is not self._thread:
            return
        self._operation = operation
        self._halted.set()
        assert self._go.wait(STEP_SECONDS)
        self._go.clear()
        if self._crash:
            raise Crash

    def _await_halt(self) -> None:
        assert self._halted.wait(STEP_SECONDS)
        self._halted.clear()

    def _run(self) -> None:
        world = self._world
        sync = Sync(world.family, world.upstream, world.ledger, world.clock.now)
        try:
            self.repaired = sync.run().counters_repaired
        except Crash:
            pass
        except BaseException as error:
            self.failure = error
        finally:
            self.finished = True
            self._halted.set()
