"""Checks of identities: the superuser's, a user's of the tests, and the operator's own test user."""

import asyncio

from hapta.model.tasks import TaskSet
from hapta.selftest import own
from hapta.selftest.installation import Failed, Installation, Skipped, explained, parsed

_NOT_FROM_HERE = (
    "superusers may not work from this address: run it on the gateway's own machine, add the address to "
    "admin.networks, or look at the superuser IPs in PocketBase's settings"
)


async def password_login(installation: Installation, collection: str, email: str, password: str) -> str:
    """The token of a new login; its session is removed with everything else the tests made."""
    answer = await installation.ask(
        "POST",
        f"/api/collections/{collection}/auth-with-password",
        json={"identity": email, "password": password},
    )
    if answer.status_code == 401 and "mfaId" in parsed(answer):
        raise Failed("MFA is on for this account: a password alone is not enough")
    if answer.status_code == 403 and collection == "_superusers":
        raise Failed(f"{explained(answer)} {_NOT_FROM_HERE}")
    if answer.status_code != 200:
        raise Failed(explained(answer))
    body = parsed(answer)
    if not isinstance(body, dict) or not isinstance(body.get("token"), str) or "record" not in body:
        raise Failed("the answer to the login has no token and record")
    token: str = body["token"]
    installation.note_session(token)
    return token


async def superuser_token(installation: Installation) -> None:
    """The token the operator gave is a superuser's; nothing is written."""
    token = installation.credentials.admin_token
    if not token:
        raise Skipped("no AdminToken is set")
    answer = await installation.ask("GET", "/api/collections?perPage=1&fields=id", token=token)
    if answer.status_code in {403, 404}:
        raise Failed(f"{explained(answer)} {_NOT_FROM_HERE}")
    if answer.status_code != 200:
        raise Failed(f"PocketBase does not take AdminToken: {explained(answer)}")
    installation.superuser = token


async def superuser_login(installation: Installation) -> None:
    """A superuser gets in, by token where there is one."""
    given = installation.credentials
    if given.admin_token:
        return await superuser_token(installation)
    if not given.admin_email or not given.admin_password:
        raise Failed(
            "no superuser is known: set AdminEmail and AdminPassword (or AdminToken) in .env or the "
            "environment, run it where hapta.env is, or use --read-only"
        )
    try:
        installation.superuser = await password_login(
            installation, "_superusers", given.admin_email, given.admin_password
        )
        installation.has_written = True
    except Failed as exc:
        hint = "; use AdminToken" if "MFA" in str(exc) else ""
        raise Failed(f"{given.admin_email}: {exc}{hint}") from None


async def own_collections(installation: Installation) -> None:
    """A superuser can make collections; what earlier runs left behind is removed first."""
    await own.remove_leftovers(installation)
    making = TaskSet().spawn(own.create(installation), name="make collections")
    try:
        await asyncio.shield(making)
    except asyncio.CancelledError:
        # Cut off in the middle, a creation would land after the cleaning that follows an interruption.
        await asyncio.wait({making})
        making.exception()
        raise


async def user_login(installation: Installation) -> None:
    """A user logs in with a password and can refresh the token."""
    email = f"{installation.collection}@example.com"
    token = await password_login(installation, installation.users, email, installation.password)
    answer = await installation.expect(
        200, "POST", f"/api/collections/{installation.users}/auth-refresh", token=token
    )
    if not isinstance(answer, dict) or answer.get("record", {}).get("id") != installation.user_id:
        raise Failed("auth-refresh answers another user's record")
    installation.user = answer["token"]


async def known_user_login(installation: Installation) -> None:
    """The operator's TestUserEmail gets in."""
    given = installation.credentials
    if not given.user_email or not given.user_password:
        raise Skipped("no TestUserEmail and TestUserPassword are set")
    token = await password_login(installation, "users", given.user_email, given.user_password)
    await installation.ask("POST", "/api/hapta/logout", token=token)
