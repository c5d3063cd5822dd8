"""How a process ended, in words."""

import signal


def exit_phrase(status: int) -> str:
    """One phrase for people.

    Args:
        status: exit status, negative for a signal.
    """
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"ended by signal {-status}"
