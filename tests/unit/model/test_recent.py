"""hapta.model.recent against the plain account of what it is."""

from hypothesis import given
from hypothesis import strategies as st

from hapta.model.recent import Recent

STEPS = st.lists(st.tuples(st.sampled_from(["get", "put", "drop"]), st.integers(0, 8), st.integers(1, 6)))


@given(steps=STEPS, most=st.integers(1, 12), is_weighed=st.booleans())
def test_it_holds_what_was_used_last_and_never_more_than_it_may(
    steps: list[tuple[str, int, int]], most: int, is_weighed: bool
) -> None:
    recent: Recent[int, str] = Recent(most, len) if is_weighed else Recent(most)
    oldest_first: list[tuple[int, str]] = []
    for step, key, size in steps:
        before = dict(oldest_first)
        if step == "get":
            assert recent.get(key) == before.get(key)
        others = [(each, value) for each, value in oldest_first if each != key]
        if step == "put":
            recent.put(key, "x" * size)
            others.append((key, "x" * size))
        elif step == "get" and key in before:
            others.append((key, before[key]))
        elif step == "drop":
            recent.drop(key)
        oldest_first = others if step != "get" or key in before else oldest_first
        while sum(len(value) if is_weighed else 1 for _, value in oldest_first) > most:
            oldest_first.pop(0)
        assert len(recent) == len(oldest_first)
    assert [recent.get(key) for key, _ in oldest_first] == [value for _, value in oldest_first]
    recent.clear()
    recent.put(1, "x")
    assert (len(recent), recent.get(1)) == (1, "x")
