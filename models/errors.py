"""Base of every error that a user can cause and mend; the command line shows its message and exits with 2."""

from __future__ import annotations


class UserMistakeError(Exception):
    """The message says what was wrong, where, and what the valid choices are. One subclass per mistake."""
