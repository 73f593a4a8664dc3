"""How a run can end: the exit statuses, and the error that a user can mend."""

from __future__ import annotations

#: Exit statuses: nothing shown, findings shown, the run failed or was incomplete. The last wins.
CLEAN, FOUND, FAILED = 0, 1, 2
#: What a shell reports for SIGINT.
INTERRUPTED = 130


class GfplintError(Exception):
    """Bad input of any kind: its text says what is wrong and where, without more context. The exit status is 2."""
