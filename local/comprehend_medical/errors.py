"""The errors of this package.

StandInError
├── ServiceError    an answer of the service: a code, a message, an HTTP status
├── SwitchedOff     no answer: the source is switched off
├── ControlError    a request to a control path that cannot be understood
└── JobsFileError   jobs that cannot be loaded
"""


class StandInError(Exception):
    """The base of all errors of the stand-in."""


class ServiceError(StandInError):
    """An error in the service's form. The default status is the model's own."""

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class SwitchedOff(StandInError):
    """A call of a source that is switched off, and answers nothing."""


class ControlError(StandInError):
    """A control request with an unknown name. The message lists the allowed ones."""


class JobsFileError(StandInError):
    """Jobs that cannot be loaded. The message is one line: location, problem, allowed values."""
