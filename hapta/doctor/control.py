"""What the Hapta that runs says of itself, through its control socket."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hapta.app.control import NAME, ControlClient
from hapta.doctor.caching import caching
from hapta.doctor.feeds import ranked_feeds
from hapta.doctor.finding import Finding, ok, warn
from hapta.model.errors import OperatorError

_ANSWER_S = 5.0
"""Hapta has the change feed prove itself before it answers."""


def control(state_dir: Path, url: str, *, is_running: bool) -> Iterator[Finding]:
    """Everything the socket tells; nothing where no Hapta runs and no socket is.

    Args:
        state_dir: ``server.state_dir``.
        url: where Hapta should listen by this configuration.
        is_running: a Hapta answers there.
    """
    if not is_running and not (state_dir / NAME).exists():
        return
    try:
        client = ControlClient(state_dir, _ANSWER_S)
        status, stats = client.ask("GET", "/status"), client.ask("GET", "/cache/stats")
        feeds = client.ask("GET", "/feeds")["items"]
    except OperatorError as exc:
        if is_running:
            yield warn(
                "control socket",
                f"Hapta runs at {url}, but {exc}",
                "run the doctor as the same user, in the same folder, with the same configuration",
            )
        return
    yield from findings(status)
    yield from caching(stats)
    yield from ranked_feeds(feeds)


def findings(status: Mapping[str, Any]) -> Iterator[Finding]:
    """What an answer to ``GET /status`` means."""
    minutes = status["uptime_s"] / 60
    yield ok(
        "control socket",
        f"Hapta {status['version']} at {status['url']}, up for {minutes:.0f} min, "
        f"{status['sessions_remembered']} sessions in memory, {status['open_streams']} event streams open",
    )
    feed = status["feed"]
    if not feed["connected"]:
        yield warn(
            "change feed",
            "Hapta cannot follow PocketBase's changes just now: every request is proved there anew",
            "look at feed_gap and feed_refused in Hapta's log; is PocketBase up, does a proxy hold events?",
        )
    elif not feed["live"]:
        yield warn(
            "change feed",
            "connected, but an event that Hapta asked for did not come: every request is proved anew",
            "does something between Hapta and PocketBase hold events back? look at feed_gap in Hapta's log",
        )
    else:
        yield ok("change feed", f"connected, events come when asked for, epoch {feed['epoch']}")
