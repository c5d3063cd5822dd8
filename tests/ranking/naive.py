"""Ranking as one would write it down, row by row: what the fast way is held against."""

from math import log2, log10, sqrt

from hapta.ranking.features import NONE, Caller, Recipe
from tests.ranking.columns import DAY_S, NOW, SIGNALS, Row

POSTLY = {"likes": 0.08, "comments": 0.0, "spam": -0.5}
LEFT_OUT = -1e300


def score(row: Row, caller: Caller, recipe: Recipe) -> float:
    """A row's, by the formulas in the presets' docstrings."""
    age_s = max(row.age_s, 0.0)
    defaults = POSTLY if recipe.preset == "postly" else dict.fromkeys(SIGNALS, 1.0)
    weights = {**defaults, "follow": 2.0, "author": 2.0, "topic": 2.0, **recipe.weights}
    total = sum(weights[name] * getattr(row, name) for name in SIGNALS)
    topics = dict(zip(caller.topics.tolist(), caller.topic_affinity.tolist(), strict=True))
    match recipe.preset:
        case "hot":
            sign = (total > 0) - (total < 0)
            return sign * log10(max(abs(total), 1)) + (NOW - age_s - 1134028003) / 45000
        case "gravity":
            return max(total, 0) / (age_s / 3600 + 2) ** 1.8
        case "wilson":
            ups = sum(weights[name] * getattr(row, name) for name in SIGNALS if weights[name] > 0)
            downs = sum(-weights[name] * getattr(row, name) for name in SIGNALS if weights[name] < 0)
            n, z = ups + downs, 1.96
            if not n:
                return 0.0
            p = ups / n  # as Wilson and Miller write it
            return (p + z * z / (2 * n) - z * sqrt((p * (1 - p) + z * z / (4 * n)) / n)) / (1 + z * z / n)
        case "chronological":
            return -age_s
        case "postly":
            total += 0.5 if age_s <= 7 * DAY_S else -0.5 if age_s > 30 * DAY_S else 0.0
            liked = {topic for topic, affinity in topics.items() if affinity > 0}
            total -= 0.5 if liked and not liked & set(row.topics) else 0.0
            return total if total >= -1 else LEFT_OUT
    base = 1 + log2(1 + sum(weights[name] * getattr(row, name) for name in SIGNALS if weights[name] > 0))
    base += weights["follow"] * (row.author in caller.followed.tolist() and row.author != NONE)
    authors = dict(zip(caller.authors.tolist(), caller.author_affinity.tolist(), strict=True))
    base += weights["author"] * authors.get(row.author, 0.0)
    base += weights["topic"] * min(max(sum(topics.get(topic, 0.0) for topic in row.topics), -1), 1)
    base = max(base, 0.01)
    for name in SIGNALS:
        if weights[name] < 0:
            base /= 1 - weights[name] * getattr(row, name)
    return base * 2 ** (-age_s / recipe.half_life_s)


def allowed(rows: list[Row], caller: Caller, recipe: Recipe) -> list[int]:
    """The slots that are ranked."""
    found = []
    for slot, row in enumerate(rows):
        is_visible = caller.visible is None or bool(caller.visible[slot])
        is_hidden = slot in caller.hidden.tolist() or row.author in caller.hidden_authors.tolist()
        is_old = bool(recipe.window_s) and row.age_s > recipe.window_s
        is_done = recipe.seen == "hide" and slot in caller.seen.tolist()
        if row.is_candidate and is_visible and not (is_hidden or is_old or is_done):
            found.append(slot)
    return sorted(sorted(found, key=lambda slot: (rows[slot].age_s, slot))[: recipe.limit])


def order(rows: list[Row], caller: Caller, recipe: Recipe, scores: list[float]) -> tuple[list[int], int]:
    """The slots in order, and how many there are."""
    slots = [slot for slot in allowed(rows, caller, recipe) if scores[slot] != LEFT_OUT]

    def place(slot: int) -> tuple[float, ...]:
        row = rows[slot]
        if row.is_pinned:
            return (0, 0, row.age_s, slot)
        is_late = recipe.seen == "lower" and slot in caller.seen.tolist()
        return (2 if is_late else 1, -scores[slot], row.age_s, slot)

    found = sorted(slots, key=place)
    if recipe.spacing:
        pinned = sum(rows[slot].is_pinned for slot in found)
        authors = [rows[slot].author for slot in found]
        found = [found[index] for index in spaced(authors, recipe.spacing, pinned)]
    return found[: recipe.depth], len(slots)


def spaced(authors: list[int], spacing: int, fixed: int) -> list[int]:
    """Each time the best that is far from its author's last, else that of who was there longest ago."""
    taken = list(range(fixed))
    left = list(range(fixed, len(authors)))
    while left:
        near = [authors[index] for index in taken[max(len(taken) - spacing, 0) :]]
        free = [index for index in left if authors[index] == NONE or authors[index] not in near]
        if free:
            chosen = free[0]
        else:
            since = {authors[index]: place for place, index in enumerate(taken)}
            chosen = min(left, key=lambda index: (since[authors[index]], index))
        left.remove(chosen)
        taken.append(chosen)
    return taken
