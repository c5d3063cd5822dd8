"""The Hapta that may be running: is it there, and if not, could it listen?  And what did it notice?"""

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import httpx

from hapta.doctor.finding import Finding, fail, ok, warn

PROBE_S: Final = 3.0
_UNTRUSTED = re.compile(r"^hapta_untrusted_forwarding_total ([0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Listening:
    """What is at an address.

    Attributes:
        is_hapta: a Hapta answers there.
        refusal: why nobody could listen there now; ``None`` when somebody could.
        text: body of what Hapta answered.
    """

    is_hapta: bool
    refusal: OSError | None = None
    text: str = ""


async def look(host: str, port: int, url: str, mark: str, tls: ssl.SSLContext | None = None) -> Listening:
    """Ask ``url`` and, when no Hapta answers, try to take ``host`` and ``port`` for a moment.

    Args:
        mark: what stands in Hapta's answer and in nobody else's.
        tls: whose certificates are taken; by default the system's trust store.
    """
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=PROBE_S, verify=tls or True) as client:
            answer = await client.get(url)
        if answer.status_code == 200 and mark in answer.text:
            return Listening(is_hapta=True, text=answer.text)
    except httpx.HTTPError:
        pass  # nobody there, or nobody who speaks HTTP: then the port tells
    return Listening(is_hapta=False, refusal=_refusal(host, port))


def _refusal(host: str, port: int) -> OSError | None:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.create_server(address[:2], family=family):
            return None
    except OSError as exc:
        return exc


def port_finding(key: str, host: str, port: int, seen: Listening) -> Finding:
    """Can Hapta listen there, or does it already?"""
    where = f"{host}:{port}"
    if seen.is_hapta:
        return ok(key, f"Hapta is running at {where}")
    if seen.refusal is None:
        return ok(key, f"{where} is free" if port else "any free port")
    if seen.refusal.errno == errno.EADDRINUSE:
        return fail(key, f"{where} is in use by something that is not Hapta", f"stop it, or set {key}")
    if seen.refusal.errno in {errno.EACCES, errno.EPERM}:
        return fail(key, f"this user may not listen on {where}", f"set {key} to a port above 1023")
    if seen.refusal.errno == errno.EADDRNOTAVAIL or isinstance(seen.refusal, socket.gaierror):
        key_of_host = f"{key.partition('.')[0]}.host"
        return fail(key_of_host, f"{host} is no address of this machine", f"correct {key_of_host}")
    return fail(key, f"nobody can listen on {where}: {seen.refusal.strerror}", f"correct {key} or the host")


def metrics_findings(is_running: bool, seen: Listening, host: str, port: int) -> Iterator[Finding]:
    """The metrics listener, and what the running Hapta counted that its operator should know."""
    if is_running and port and not seen.is_hapta:
        yield warn(
            "metrics.port",
            f"Hapta runs, but its metrics are not at {host}:{port}",
            "was it started with another configuration? name the same one to hapta doctor",
        )
        return
    yield port_finding("metrics.port", host, port, seen)
    if seen.is_hapta and (match := _UNTRUSTED.search(seen.text)):
        yield forwarding(int(float(match[1])))


def forwarding(count: int) -> Finding:
    """Do forwarding headers come from somebody Hapta does not believe?"""
    if count == 0:
        return ok("forwarding headers", "none from strangers")
    return warn(
        "forwarding headers",
        f"{count} requests had X-Forwarded-For or the like from a peer that is not in server.trusted_proxies",
        "if that is your proxy (the log names it), add it there; else somebody is trying in vain",
    )
