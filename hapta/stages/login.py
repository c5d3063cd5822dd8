"""Guards logins against guessing; stands where bodies are held whole.

What is known of an account comes from what its clients write and from what its owner was answered: PocketBase
is never asked, so neither a text nor a delay tells whether an account exists.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import orjson

from hapta.config import LoginConfig
from hapta.limits.keys import address_key
from hapta.limits.logins import Account, LoginGuard, Try
from hapta.model.concerns import only_for
from hapta.model.errors import RateLimited
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.operation import OperationClass
from hapta.stages.credentials import named_value

RULE = "login"
"""Name of this limit in metrics."""
_PATIENCE_S = 20.0
"""So long a try waits for others under way at the same account."""
_NAMED_IN = {"auth-with-password": "identity", "auth-with-otp": "otpId"}


class LiveSessions(Protocol):
    """Tells where an account is logged in now."""

    def __call__(self, collection: str, record: str, address: int) -> bool:
        """Whether an auth record has a living session in the network around an address.

        Args:
            collection: id of the auth collection.
            record: id of the auth record.
            address: key of the client's address (:func:`hapta.limits.keys.address_key`).
        """
        ...


def guard_logins(
    guard: LoginGuard,
    config: LoginConfig,
    *,
    resolve: Callable[[str], str],
    has_session: LiveSessions,
    on_limited: Callable[[str], None],
) -> Stage:
    """The guard as a stage.

    Args:
        guard: decides.
        config: the ``[login]`` table.
        resolve: the one form of a collection's name or id.
        has_session: networks of living sessions are exempt.
        on_limited: told :data:`RULE` for every login that is refused.
    """

    @only_for(OperationClass.AUTH_ANSWER, OperationClass.AUTH_ACTION)
    async def stage(exchange: Exchange, forward: Handler) -> Answer:
        operation = exchange.operation
        if operation.collection is None:
            return await forward(exchange)
        collection = resolve(operation.collection)
        if operation.action in _NAMED_IN:
            return await _login(exchange, forward, collection)
        answer = await forward(exchange)
        if operation.kind is OperationClass.AUTH_ANSWER:
            _learn(answer, collection)
        elif operation.action == "request-otp" and answer.status == 200:
            await _note_code(exchange, answer, collection)
        return answer

    async def _login(exchange: Exchange, forward: Handler, collection: str) -> Answer:
        account = await _account(exchange, collection)
        address, record = address_key(exchange.client), guard.record_of(account)
        is_exempt = record is not None and has_session(collection, record, address)
        attempt = guard.attempt(account, address, is_exempt=is_exempt)
        await _admission(attempt)
        verdict = guard.ended
        try:
            answer = await forward(exchange)
            if answer.status == 200:
                verdict = guard.succeeded
            elif answer.status == 400:
                verdict = guard.failed
        finally:
            verdict(attempt)
        _learn(answer, collection, account)
        return answer

    async def _account(exchange: Exchange, collection: str) -> Account:
        action = exchange.operation.action
        name = await _named(exchange, _NAMED_IN[action])
        if action == "auth-with-otp":
            return guard.account_of_code(collection, name)
        return guard.account(collection, name)

    async def _admission(attempt: Try) -> None:
        """Wait for its turn.

        Raises:
            RateLimited: it comes too late.
        """
        waited_s = 0.0
        while not (admission := guard.admit(attempt)).is_admitted:
            retry_after_s = admission.retry_after_s or 1.0
            if admission.retry_after_s or waited_s >= _PATIENCE_S:
                on_limited(RULE)
                raise RateLimited(config.message, retry_after_s)
            waited_s += admission.ask_again_s
            await asyncio.sleep(admission.ask_again_s)
        if admission.wait_s:
            try:
                await asyncio.sleep(admission.wait_s)
            except BaseException:
                guard.ended(attempt)
                raise

    async def _note_code(exchange: Exchange, answer: Answer, collection: str) -> None:
        code_id = _object(answer).get("otpId")
        if isinstance(code_id, str):
            email = await _named(exchange, "email")
            guard.code_sent(collection, code_id, guard.account(collection, email))

    def _learn(answer: Answer, collection: str, *accounts: Account) -> None:
        """Note by which names a record goes that was just given to its owner."""
        record = _object(answer).get("record") if answer.status == 200 else None
        if not isinstance(record, dict) or not isinstance(record.get("id"), str):
            return
        email = record.get("email")
        if isinstance(email, str) and email:
            accounts = (*accounts, guard.account(collection, email))
        for account in accounts:
            guard.learn(account, record["id"])

    return stage


async def _named(exchange: Exchange, name: str) -> str:
    content_type = exchange.headers.get("Content-Type", "")
    return await named_value(exchange.body, content_type, exchange.target.query, name)


def _object(answer: Answer) -> dict[str, object]:
    if not isinstance(answer.body, bytes):
        return {}
    try:
        parsed = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
