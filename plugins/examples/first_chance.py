"""Score a ranked feed so that each row gets its first readers, and those keep it up or let it go.

Switch it on in config.toml, for a feed with a signal for readers and one for likes::

    [plugins.first_chance]
    is_enabled = true
    feed = "home"               # [feeds.home], whose preset this takes the place of

    [feeds.home.signals]
    likes = { collection = "likes", relation = "post" }
    views = { field = "views" }

A row's score is the share of its readers who like it *at most*, with 95 % confidence: the upper bound of
Wilson's interval, where the preset ``wilson`` has the lower one. Nothing is known of a row that nobody has
read yet, so at most everybody likes it, and it is shown; with every reader who does not like it, it sinks. It
counts twice where the caller follows the author, and half of it is gone after the feed's ``half_life_s``.

Source: Edwin B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, Journal of the
American Statistical Association 22 (1927); to be optimistic as long as little is known is Lai and Robbins,
Asymptotically Efficient Adaptive Allocation Rules, Advances in Applied Mathematics 6 (1985).
"""

from typing import Any

from hapta.plugins import FeedColumns, PluginApi, Settings

Z = 1.96
"""95 % of a normal distribution lie within so many standard deviations."""


class FirstChance(Settings, frozen=True):
    feed: str = "home"
    """Name of the feed that is scored."""


def first_chance(columns: FeedColumns) -> Any:
    import numpy as np  # here and not above: only workers need it

    likes = columns.signals["likes"].astype(np.float64)
    readers = np.maximum(columns.signals["views"], likes)  # who likes it has read it
    others = readers - likes
    root = np.sqrt(likes * others / np.maximum(readers, 1.0) + Z**2 / 4)
    share = (likes + Z**2 / 2 + Z * root) / (readers + Z**2)
    return share * (1.0 + columns.followed) * 0.5 ** (columns.age_s / columns.half_life_s)


def setup(api: PluginApi) -> None:
    api.feed(api.settings(FirstChance).feed)(first_chance)
