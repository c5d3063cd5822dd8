"""The folder for request bodies too large for memory, tried out before the first one comes."""

import tempfile

from hapta.config import Loaded
from hapta.model.errors import OperatorError


def spool_directory(loaded: Loaded) -> str | None:
    """``server.spool_dir`` as an absolute path, made if it is missing; ``None`` for the system's own folder.

    Raises:
        OperatorError: no file can be made there.
    """
    name = loaded.config.server.spool_dir
    folder = loaded.path(name) if name else None
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        where = f"server.spool_dir: {folder}" if folder else "the system's temporary folder"
        raise OperatorError(
            f"{where} cannot hold request bodies: {exc.strerror or exc}; name a writable folder in "
            "server.spool_dir"
        ) from None
    return None if folder is None else str(folder)
