"""Reading ``config.toml`` and the ``.env`` files: text in, values and their lines out, one clear line when
that fails.

``.env`` values are taken as they stand, without ``${…}`` interpolation: a password may contain a dollar sign.
"""

import io
import re
import tomllib
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream

from hapta.config.lines import Lines

_MAX_BYTES = 1_048_576
_POSITION = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)

EnvFile = dict[str, tuple[str, str]]
"""The value of each name, and where it stands: ``.env:3``."""


class FileProblem(Exception):
    """A file that cannot be used at all; the text is the complete line for the reader."""


def read_toml(path: Path, name: str) -> tuple[dict[str, Any], Lines]:
    """Read a TOML file that must exist.

    Args:
        path: the file.
        name: what messages call it.

    Raises:
        FileProblem: it cannot be read or is not TOML.
    """
    text = _read(path, name)
    if text is None:
        raise FileProblem(f"{name}: no such file")
    text = text.replace("\r\n", "\n")
    try:
        return tomllib.loads(text), Lines(text)
    except tomllib.TOMLDecodeError as exc:
        if match := _POSITION.fullmatch(str(exc)):
            problem, line, column = match.groups()
            at_end = (text.count("\n") + 1, len(text) - text.rfind("\n"))
            position = (line, column) if line else at_end
            raise FileProblem(f"{name}:{position[0]}:{position[1]}: not valid TOML: {problem}") from None
        raise FileProblem(f"{name}: not valid TOML: {exc}") from None
    except RecursionError:
        raise FileProblem(f"{name}: not valid TOML: nested too deeply") from None
    except ValueError as exc:  # an integer of thousands of digits, a date that does not exist
        raise FileProblem(f"{name}: not valid TOML: {exc}") from None


def read_env(path: Path, name: str) -> tuple[EnvFile, list[str]]:
    """Read ``NAME=value`` lines; a file that does not exist has none.

    Returns:
        The values, and a line for each that cannot be understood (which is never shown: it may hold a
        secret).

    Raises:
        FileProblem: it exists and cannot be read.
    """
    text = _read(path, name)
    values: EnvFile = {}
    problems = []
    for binding in parse_stream(io.StringIO(text or "")):
        written = binding.original.string
        line = binding.original.line + len(written) - len(written.lstrip("\r\n"))
        if binding.key is not None and binding.value is not None:
            values[binding.key] = (binding.value, f"{name}:{line}")
        elif binding.error or binding.key is not None:  # else a comment or an empty line
            problems.append(
                f"{name}:{line}: expected NAME=value; quote a value with special characters: 'value'"
            )
    return values, problems


def _read(path: Path, name: str) -> str | None:
    """The text of a file, ``None`` when there is no such file."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        raise FileProblem(f"{name}: a folder, expected a file") from None
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        raise FileProblem(f"{name}: cannot be read: {getattr(exc, 'strerror', None) or exc}") from None
    if len(data) > _MAX_BYTES:
        raise FileProblem(f"{name}: larger than {_MAX_BYTES} bytes; this is no configuration file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        column = exc.start - data.rfind(b"\n", 0, exc.start)
        raise FileProblem(f"{name}:{line}:{column}: not UTF-8 text (byte 0x{data[exc.start]:02x})") from None
