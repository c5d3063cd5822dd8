"""A folder to configure in, and what Hapta says about it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from hapta.config import ConfigErrors, load

Problems = Callable[..., list[str]]


@pytest.fixture
def problems(tmp_path: Path) -> Problems:
    """Load ``config.toml`` with a given text (and other sources) and return the lines of what is wrong."""

    def problems_of(
        toml: str | bytes | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        overrides: Sequence[str] = (),
        needs_secrets: bool = False,
    ) -> list[str]:
        path = None
        if toml is not None:
            path = Path("config.toml")
            (tmp_path / path).write_bytes(toml.encode() if isinstance(toml, str) else toml)
        try:
            load(path, environ or {}, overrides, tmp_path, needs_secrets=needs_secrets)
        except ConfigErrors as exc:
            return str(exc).splitlines()  # as main() does: a problem of two lines would show
        return []

    return problems_of
