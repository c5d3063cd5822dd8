"""From columns to an order: which rows one caller gets, and which of them first.

1. *Rows*: candidates of the feed that the caller may see, no older than ``window_s``, without those of
   authors they muted or blocked, without those they hid and (``seen = "hide"``) those they have seen.
2. *Limit*: the newest ``limit`` of these.
3. *Score*: the preset's formula (:mod:`hapta.ranking.presets`), or the scores of a plugin. A row whose score
   is not finite is left out.
4. *Order*: pinned rows, the newest of them first; then those not seen before (``seen = "lower"``); then by
   score, of equal ones the newer first, and of those the one in the lower slot. Slots are given out by the
   table, so the last of these holds for the life of a table only.
5. *Spacing*: :mod:`hapta.ranking.spacing`; pinned rows stay where they are, and count for those after them.
6. *Depth*: the first ``depth`` of these.

All of it is a function of its arguments: the same columns, caller and instant give the same order.
"""

import numpy as np

from hapta.ranking.best import Keys, best, best_unordered
from hapta.ranking.features import Caller, Codes, Features, Flags, Floats, Ranked, Recipe, Times
from hapta.ranking.presets import PRESETS, silent
from hapta.ranking.rows import Indices, Rows, codes_in, flags_of
from hapta.ranking.spacing import spaced


def rank(
    features: Features, caller: Caller, recipe: Recipe, now: float, scores: Floats | None = None
) -> Ranked:
    """The order of a feed's rows for one caller.

    Args:
        now: seconds since the epoch.
        scores: a plugin's, of shape (n,), in the place of the preset's; used as they are.
    """
    rows = eligible(features, caller, recipe, now)
    points = scored(rows, caller, recipe, now, scores)
    is_finite = np.isfinite(points)
    if not is_finite.all():
        slots = rows.indices()[is_finite]
        rows, points = Rows(features, slots), points[is_finite]
    pinned = np.flatnonzero(rows.pinned())
    own_points = points[pinned]
    points[pinned] = np.inf  # above all others, and equal: so the newest of them is first
    keys: list[Times | Flags] = [points, rows.created()]
    if recipe.seen == "lower" and len(caller.seen):
        is_fresh = ~flags_of(caller.seen, len(features))[rows.indices()]
        is_fresh[pinned] = True
        keys.insert(0, is_fresh)
    if recipe.spacing and recipe.depth > 1:
        order = _spaced(rows.authors(), keys, recipe, len(pinned))
    else:
        order = best(keys, recipe.depth)
    points[pinned] = own_points
    with np.errstate(over="ignore"):  # a plugin's may be beyond single precision
        shown = points[order].astype(np.float32)
    return Ranked(rows.indices()[order].astype(np.int32), shown, len(rows))


def eligible(features: Features, caller: Caller, recipe: Recipe, now: float) -> Rows:
    """The rows that are ranked: steps 1 and 2."""
    length = len(features)
    is_in = features.is_candidate if caller.visible is None else features.is_candidate & caller.visible
    if recipe.window_s:
        is_in = is_in & (features.created >= now - recipe.window_s)
    if len(caller.hidden_authors):
        is_in = is_in & ~flags_of(caller.hidden_authors, codes_in(features.author))[features.author]
    hidden = caller.hidden
    if recipe.seen == "hide" and len(caller.seen):
        hidden = np.concatenate([hidden, caller.seen])
    if len(hidden):
        is_in = is_in & ~flags_of(hidden, length)[:length]
    slots = np.flatnonzero(is_in)
    if len(slots) > recipe.limit:
        slots = slots[best_unordered([features.created[slots]], recipe.limit)]
    return Rows(features, None if len(slots) == length else slots)


def scored(rows: Rows, caller: Caller, recipe: Recipe, now: float, scores: Floats | None = None) -> Times:
    """The scores of rows, in double precision; not finite for those to be left out. A new array."""
    if scores is not None:
        return np.array(rows.of(scores), np.float64)
    return PRESETS[recipe.preset](rows, caller, recipe, now, silent)


def _spaced(authors: Codes, keys: Keys, recipe: Recipe, pinned: int) -> Indices:
    """The best rows with authors apart.

    Twice as many as wanted are enough unless few authors have most of the best rows. Then what an author has
    beyond ``depth`` rows cannot come up and goes first, after which at most ``spacing`` authors of ``depth``
    rows each can be in the way.
    """
    length, depth = len(authors), recipe.depth
    order = best(keys, 2 * depth)
    found = spaced(authors[order].tolist(), recipe.spacing, depth, pinned, len(order) == length)
    if found is None:
        kept = _without_surplus(authors, keys, depth)
        best_of_kept = best([key[kept] for key in keys], (recipe.spacing + 2) * depth)
        order = kept[best_of_kept]
        found = spaced(authors[order].tolist(), recipe.spacing, depth, pinned, is_all=True)
    return order[found]


def _without_surplus(authors: Codes, keys: Keys, depth: int) -> Indices:
    """All rows but those that come after ``depth`` of the same author."""
    is_kept = np.ones(len(authors), np.bool_)
    counts = np.bincount(authors[authors >= 0])
    for author in np.flatnonzero(counts > depth):
        theirs = np.flatnonzero(authors == author)
        is_kept[theirs] = False
        is_kept[theirs[best_unordered([key[theirs] for key in keys], depth)]] = True
    return np.flatnonzero(is_kept)
