"""The certificate Hapta serves: can it be served, and for how long yet?"""

import ssl
from collections.abc import Iterator
from typing import Final

from hapta.config import Loaded, UnusableCertificate, client_context
from hapta.doctor.finding import Finding, fail, ok, warn
from hapta.model.clock import Clock

SOON_S: Final = 14 * 86_400.0
"""Whoever renews by itself does so a month before the end."""


def certificate(loaded: Loaded, clock: Clock) -> Iterator[Finding]:
    """Everything about it; nothing where there is none."""
    try:
        found = loaded.read_certificate()
    except UnusableCertificate as exc:
        yield fail(
            "certificate", exc.error.line(loaded.origins), "correct it; without it Hapta does not start"
        )
        return
    if found is None:
        return
    now = clock.now()
    if (trouble := found.warning(now)) is not None:
        problem, _, advice = trouble.partition("; ")
        yield fail("certificate", problem, advice)
    elif found.ends_at - now < SOON_S:
        days = int((found.ends_at - now) // 86_400)
        yield warn("certificate", f"{found}: expires in {days} days", "renew it, then `hapta reload`")
    else:
        yield ok("certificate", str(found))


def own_context(loaded: Loaded) -> ssl.SSLContext | None:
    """For speaking to the Hapta of this configuration; that its certificate has expired is told apart."""
    tls_cert = loaded.config.server.tls_cert
    try:
        return client_context(loaded.path(tls_cert), checks_time=False) if tls_cert else None
    except UnusableCertificate:
        return None
