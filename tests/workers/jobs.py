"""What the tests have workers do."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn


@dataclass(frozen=True)
class Pair:
    """An instance of a class of ours goes both ways."""

    left: Any
    right: Any


def swapped(pair: Pair) -> Pair:
    return Pair(pair.right, pair.left)


def told(value: Any, after_s: float = 0.0) -> Any:
    time.sleep(after_s)
    return value


def pid() -> int:
    return os.getpid()


def marked(path: str, after_s: float = 0.0) -> None:
    """Leave a file to tell that it was run."""
    Path(path).touch()
    time.sleep(after_s)


def kill_itself() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def exit_at_once(status: int) -> NoReturn:
    os._exit(status)


def leave(status: int) -> NoReturn:
    sys.exit(status)


def spin() -> NoReturn:
    while True:
        pass


def burn(seconds: float) -> None:
    """Be busy, in Python, for so long."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        sum(range(1000))


def divided(dividend: float, divisor: float) -> float:
    return dividend / divisor


class Silent(Exception):
    """An exception that cannot be told."""

    def __str__(self) -> str:
        raise RuntimeError("not even this")


class Trap:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os._exit, (3,)


class Baited(Exception):
    """Would run code wherever it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (3,)


def raise_silent() -> NoReturn:
    raise Silent


def raise_baited() -> NoReturn:
    raise Baited("taken?")


def raise_long(characters: int) -> NoReturn:
    raise ValueError("x" * characters)


def function_of_its_own() -> Callable[[], None]:
    return lambda: None


def zeros(count: int) -> bytes:
    return bytes(count)


def size(data: bytes) -> int:
    return len(data)


def grow(count: int) -> None:
    """Leak so many bytes."""
    _leaked.append(bytearray(os.urandom(1) * count))


_leaked: list[bytearray] = []


def say(text: str) -> None:
    print(text)
    os.write(1, f"{text} raw\n".encode())


def read_input() -> bytes:
    return os.read(0, 10)


def environment() -> dict[str, str]:
    return dict(os.environ)


def what_is_it() -> dict[str, Any]:
    """What this process is, for whoever looks after it."""
    return {
        "session": os.getsid(0),
        "pid": os.getpid(),
        "nice": os.nice(0),
        "files": {name: os.readlink(f"/proc/self/fd/{name}") for name in _open_files()},
        "modules": sorted(sys.modules),
    }


def _open_files() -> list[str]:
    return [name for name in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{name}")]


def leave_a_process_behind(seconds: float) -> int:
    """By a fork, which holds whatever this process holds; returns its pid."""
    child = os.fork()
    if child == 0:
        time.sleep(seconds)
        os._exit(0)
    return child


def leave_a_process_behind_and_die(path: str, seconds: float) -> NoReturn:
    child = leave_a_process_behind(seconds)
    Path(path).write_text(str(child))
    kill_itself()


def scribble_on_the_line() -> NoReturn:
    """Write to the socket that leads to the gateway."""
    for name in _open_files():
        if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
            os.write(int(name), b"\xff" * 100)
    time.sleep(60)
    raise AssertionError("still alive")


def signal_itself(number: int) -> str:
    os.kill(os.getpid(), number)
    return "alive"


def ended_by_signal_of_a_child(number: int) -> int:
    """How a program that this process starts ends on a signal."""
    with subprocess.Popen(["sleep", "30"]) as child:
        child.send_signal(number)
        return child.wait()


def can_connect(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def in_a_loop() -> None: ...


class Shop:
    """Has methods, which are no functions of the module."""

    def sell(self) -> None: ...

    @classmethod
    def open(cls) -> None: ...

    @staticmethod
    def close() -> None: ...
