"""What a row's score is made of, for ``?explain=1``, ``hapta feeds explain`` and whoever tunes weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hapta.ranking.features import Caller, Codes, Features, Floats, Recipe
from hapta.ranking.presets import PRESETS
from hapta.ranking.rows import Indices, Rows


def explain(
    features: Features,
    caller: Caller,
    recipe: Recipe,
    now: float,
    slots: Sequence[int] | Codes,
    scores: Floats | None = None,
) -> list[dict[str, float]]:
    """The parts of each row's score, in the order in which they come into it, by name.

    ``signals.<name>`` is a signal times its weight (with ``for_you`` and a negative weight: the factor it
    is); the other names are those of the preset's formula; then ``score``, ``age_s``, and 1 or 0 for
    ``pinned`` and ``seen``. A row that the preset leaves out has a score of minus infinity.

    Args:
        slots: of the rows; whether the caller may see them is not asked here.
        scores: a plugin's, which are not made of anything that is known here.
    """
    wanted = np.asarray(slots, np.intp)
    rows = Rows(features, wanted)
    found: list[dict[str, float]] = [{} for _ in wanted]

    def note(name: str, values: NDArray[Any]) -> None:
        for parts, value in zip(found, values.tolist(), strict=True):
            parts[name] = float(value)

    if scores is None:
        note("score", PRESETS[recipe.preset](features, caller, recipe, now)(rows, note))
    else:
        note("score", rows.of(scores))
    note("age_s", rows.ages_s(now))
    note("pinned", rows.of(features.pinned))
    note("seen", _are_among(wanted, caller.seen))
    return found


def _are_among(slots: Indices, others: Codes) -> NDArray[np.bool_]:
    wanted = set(others.tolist())
    return np.array([slot in wanted for slot in slots.tolist()], np.bool_)
