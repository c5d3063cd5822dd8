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

from collections.abc import Sequence

import numpy as np

from hapta.ranking.best import Key, best, best_unordered
from hapta.ranking.features import Caller, Codes, Features, Floats, Ranked, Recipe, Times
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
    points = _scored(rows, caller, recipe, now, scores)
    is_finite = np.isfinite(points)
    if not is_finite.all():
        rows, points = Rows(features, rows.slots_at(is_finite)), points[is_finite]
    pinned = rows.places_of(np.flatnonzero(features.pinned))
    own_points = points[pinned]
    points[pinned] = np.inf  # above all others, and equal: so the newest of them is first
    keys: list[Key] = [points.__getitem__, rows.created_at]
    if recipe.seen == "lower" and len(caller.seen):
        new_first = points.copy()
        new_first[rows.places_of(caller.seen)] = -np.inf  # below all others, and equal
        new_first[pinned] = np.inf
        keys.insert(0, new_first.__getitem__)
    order = _spaced(rows, keys, recipe, len(pinned)) if recipe.spacing else best(keys, recipe.depth)
    points[pinned] = own_points
    with np.errstate(over="ignore"):  # a plugin's may be beyond single precision
        shown = points[order].astype(np.float32)
    return Ranked(rows.slots_at(order).astype(np.int32), shown, len(rows))


def eligible(features: Features, caller: Caller, recipe: Recipe, now: float) -> Rows:
    """The rows that are ranked: steps 1 and 2."""
    length = len(features)
    is_in = features.is_candidate.copy()
    if caller.visible is not None:
        known = len(caller.visible)
        is_in[:known] &= caller.visible
        is_in[known:] = False  # rows that came since
    if recipe.window_s:
        is_in &= features.created >= now - recipe.window_s
    if len(caller.hidden_authors):
        is_shown = ~flags_of(caller.hidden_authors, codes_in(features.author))
        for places, rows in Rows.all(features).parts():
            is_in[places] &= is_shown[rows.authors()]
    rows = Rows.all(features)
    is_in[rows.places_of(caller.hidden)] = False
    if recipe.seen == "hide":
        is_in[rows.places_of(caller.seen)] = False
    slots = np.flatnonzero(is_in)
    if len(slots) > recipe.limit:
        slots = best_unordered([features.created.__getitem__], recipe.limit, slots)
    return rows if len(slots) == length else Rows(features, slots)


def _scored(rows: Rows, caller: Caller, recipe: Recipe, now: float, scores: Floats | None) -> Times:
    """The scores of rows; not finite for those to be left out. A new array."""
    if scores is not None:
        return np.array(rows.of(scores), np.float64)
    formula = PRESETS[recipe.preset](rows.features, caller, recipe, now)
    points = np.empty(len(rows))
    for places, part in rows.parts():
        points[places] = formula(part, silent)
    return points


def _spaced(rows: Rows, keys: Sequence[Key], recipe: Recipe, pinned: int) -> Indices:
    """The best rows with authors apart.

    Twice as many as wanted are enough unless few authors have most of the best rows. Then what an author has
    beyond ``depth`` rows cannot come up and goes first, after which at most ``spacing`` authors of ``depth``
    rows each can be in the way.
    """
    length, depth, authors = len(rows), recipe.depth, rows.authors()
    order = best(keys, 2 * depth)
    found = spaced(authors[order].tolist(), recipe.spacing, depth, pinned, len(order) == length)
    if found is None:
        kept = _without_surplus(authors, keys, depth)
        order = best(keys, (recipe.spacing + 2) * depth, kept)
        found = spaced(authors[order].tolist(), recipe.spacing, depth, pinned, is_all=True)
    return order[found]


def _without_surplus(authors: Codes, keys: Sequence[Key], depth: int) -> Indices:
    """All rows but those that come after ``depth`` of the same author."""
    is_kept = np.ones(len(authors), np.bool_)
    counts = np.bincount(authors[authors >= 0])
    for author in np.flatnonzero(counts > depth):
        theirs = np.flatnonzero(authors == author)
        is_kept[theirs] = False
        is_kept[best_unordered(keys, depth, theirs)] = True
    return np.flatnonzero(is_kept)
