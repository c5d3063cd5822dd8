"""How a process ended, in words."""

import pytest

from hapta.model.exits import exit_phrase


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (0, "exit status 0"),
        (3, "exit status 3"),
        (-9, "ended by SIGKILL"),
        (-11, "ended by SIGSEGV"),
        (-99, "ended by signal 99"),
    ],
)
def test_an_exit_status_in_words(status: int, phrase: str) -> None:
    assert exit_phrase(status) == phrase
