"""The errors of this package.

StandInError
├── ServiceError    an answer of the service: a code, a message, an HTTP status
├── ControlError    a request to a control path that cannot be understood
└── JobsFileError   jobs that cannot be loaded
"""


class StandInError(Exception):
    """Whatever the stand-in refuses to do."""


class ServiceError(StandInError):
    """An error as the service would answer it. Without a status, the model's own is used."""

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class ControlError(StandInError):
    """A control request that names something unknown. The message says what is allowed."""


class JobsFileError(StandInError):
    """Jobs that cannot be loaded. The message is one line: where, what, and what is allowed."""
