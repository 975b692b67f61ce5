"""A call in a thread of its own that halts before each of its calls out, until the test lets it go on."""

import threading
from collections.abc import Callable
from typing import Any

STEP_SECONDS = 30


class Crash(BaseException):
    """The process dies: nothing may catch it."""


class Stepped:
    """Has `finished` with a `result`, with a `failure`, or crashed."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._go, self._halted = threading.Event(), threading.Event()
        self._crash = False
        self.finished = False
        self.result: Any = None
        self.failure: BaseException | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def step(self, number: int = 1) -> None:
        """Go on until the next call out, or the one after that, and so on, but not beyond the end."""
        while number and not self.finished:
            number -= 1
            self._go.set()
            assert self._halted.wait(STEP_SECONDS)
            self._halted.clear()

    def crash(self) -> None:
        self._crash = True
        self.step()

    def halt(self) -> None:
        """Called before each call out."""
        self._halted.set()
        self._await()

    def _await(self) -> None:
        assert self._go.wait(STEP_SECONDS)
        self._go.clear()
        if self._crash:
            raise Crash

    def _run(self) -> None:
        try:
            self._await()
            self.result = self._call()
        except Crash:
            pass
        except BaseException as error:
            self.failure = error
        finally:
            self.finished = True
            self._halted.set()
