"""The six sizes of site the workload is run on."""

from dataclasses import dataclass, replace

DEFAULT_SEED = 20250718
DEFAULT_REQUESTS = 50_000
REQUESTS_PER_S = 500.0
"""The logical rate: request ``i`` is drawn as if sent ``i / REQUESTS_PER_S`` seconds after the first."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How large the site is, and how much of its traffic writes.

    Attributes:
        users: rows of ``users``.
        active: how many of them log in and act.
        posts: rows of ``posts`` at the start.
        comments: rows of ``comments`` at the start.
        tags: rows of ``hashtags``.
        queries: different search words.
        write_share: probability that a request is a write.
    """

    name: str
    users: int
    active: int
    posts: int
    comments: int
    tags: int
    queries: int
    write_share: float


_S = Profile("S", users=40, active=20, posts=40, comments=200, tags=6, queries=8, write_share=0.002)
_H = Profile("H", users=300, active=100, posts=300, comments=1_500, tags=20, queries=30, write_share=0.002)
_R = Profile(
    "R", users=1_000, active=200, posts=2_000, comments=8_000, tags=40, queries=100, write_share=0.02
)

PROFILES = {
    profile.name: profile
    for profile in (
        _S,
        _H,
        replace(_H, name="H1", write_share=0.01),
        replace(_R, name="R0", write_share=0.002),
        _R,
        replace(_R, name="W", write_share=0.10),
    )
}
"""S: a small hot set; H: a small site; R: a community; the rest are H and R with other shares of writes."""
