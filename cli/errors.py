"""What the command line itself finds wrong.

* CommandError
  x UsageError      the command was called in a way it cannot serve
  x OutputError     what a command printed could not be written
  x OfflineError    the command would have needed a network, and --offline forbids it

Interrupted stands apart: it is no error, and nothing may catch it on the way.
"""

from __future__ import annotations


class CommandError(Exception):
    """The root of what this package raises on purpose: what broke and where, and apart from it what to do."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        """Keep message and advice, as all our errors do."""
        super().__init__(message)
        self.message = message
        self.advice = advice


class UsageError(CommandError):
    """The command was called in a way it cannot serve."""


class OutputError(CommandError):
    """What a command printed could not be written."""


class OfflineError(CommandError):
    """The command would have needed a network."""


class Interrupted(BaseException):
    """Somebody asked the program to stop: with Ctrl-C, by closing the terminal, or with ``kill``."""
