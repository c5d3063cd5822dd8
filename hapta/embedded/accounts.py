"""The two superusers Hapta keeps in its own PocketBase: the operator's and its own.

They are set through PocketBase's command line, before its first start (so that there is never an installer
page, which would let the first visitor in) and whenever a login with them is refused. The command takes the
password as an argument and has no other way: for the tenth of a second it runs, users of this same machine
can see it in the list of processes. That is why nothing is set again that was set before.
"""

import asyncio
import contextlib
import hmac
from dataclasses import dataclass, field

from hapta.embedded.options import EmbeddedOptions
from hapta.embedded.output import essence, harmless
from hapta.model.errors import OperatorError

_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Account:
    """A superuser: ``name`` is what Hapta calls it (``operator``, ``service``)."""

    name: str
    email: str
    password: str = field(repr=False)

    def fingerprint(self, secret: str) -> str:
        """Tells whether e-mail or password changed, and nothing about them to whoever lacks ``secret``."""
        message = f"{self.name}\0{self.email}\0{self.password}".encode()
        return hmac.digest(secret.encode(), b"hapta account\0" + message, "sha256").hex()


async def upsert(options: EmbeddedOptions, account: Account) -> None:
    """Create the superuser or set its password; works while PocketBase serves, too.

    Setting the password ends the tokens that account had.

    Raises:
        OperatorError: PocketBase refused, with what it said.
    """
    status, output = await superuser_command(options, "upsert", account.email, account.password)
    if status != 0:
        lines = output.replace(account.password, "[masked]").splitlines()
        said = "; ".join(essence([harmless(line) for line in lines], 3)) or f"status {status}"
        raise OperatorError(
            f"PocketBase ({options.binary}) does not take the {account.name} account {account.email}: {said}"
        )


async def superuser_command(options: EmbeddedOptions, command: str, *values: str) -> tuple[int, str]:
    """Run ``pocketbase superuser COMMAND VALUES…`` on the data; returns its exit status and what it printed.

    Raises:
        OperatorError: it cannot be started, or does not end.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            str(options.binary),
            "superuser",
            command,
            *options.arguments(with_hooks=False),  # a broken hook must not keep an account from being set
            "--",
            *values,
            cwd=options.base_dir,
            env=dict(options.environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as exc:
        raise OperatorError(f"{options.binary}: cannot be started: {exc.strerror or exc}") from exc
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            output, _ = await process.communicate()
    except TimeoutError:
        raise OperatorError(
            f"{options.binary} superuser {command}: not finished after {_TIMEOUT_S:.0f} s; "
            f"is {options.data_dir} locked by another program?"
        ) from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode or 0, output.decode(errors="replace")
