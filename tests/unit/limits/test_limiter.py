"""Rules: what applies to whom, all or none, and a thousand at once."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert

from hapta.config import LimitConfig, RateLimitConfig
from hapta.limits.limiter import Charged, Limiter, Refusal
from hapta.limits.rules import Asked, Rule, Subject, rules_of
from hapta.model.clock import ManualClock

LIST = Asked("GET", "record_read", "posts", ("api", "collections", "posts", "records"))
CREATE = Asked("POST", "record_write", "posts", ("api", "collections", "posts", "records"))
CREATE_BY_ID = Asked("POST", "record_write", "pbc_1", ("api", "collections", "pbc_1", "records"))
CUSTOM = Asked("GET", "unknown", None, ("api", "reports", "7"))
CUSTOMERS = Asked("GET", "unknown", None, ("api", "reportsx"))
GUEST = Subject(1)
ADA = Subject(1, "users/ada", "s1")


def resolve(name: str) -> str:
    return {"posts": "pbc_1"}.get(name.lower(), name)


def limiter(clock: ManualClock | None = None, /, **limits: LimitConfig) -> Limiter:
    wide = RateLimitConfig(max=1000, burst=1000)
    return Limiter(rules_of(wide, limits), 1000, clock or ManualClock(), resolve)


def count(limiter: Limiter, subject: Subject, asked: Asked, most: int = 50) -> int:
    """How many of ``most`` requests at once are allowed."""
    return sum(isinstance(limiter.take(subject, asked), Charged) for _ in range(most))


def test_the_simple_form_counts_each_address() -> None:
    simple = Limiter(rules_of(RateLimitConfig(max=10, burst=5), {}), 1000, ManualClock(), resolve)
    assert [count(simple, Subject(n, "users/ada"), LIST) for n in range(3)] == [5, 5, 5]


def test_without_ip_the_simple_form_counts_identities_and_guests_by_address() -> None:
    simple = Limiter(rules_of(RateLimitConfig(max=10, burst=5, ip=False), {}), 1000, ManualClock(), resolve)
    assert count(simple, Subject(1, "users/ada"), LIST) == 5
    assert count(simple, Subject(2, "users/ada"), LIST) == 0
    assert count(simple, Subject(1, "users/ben"), LIST) == 5
    assert count(simple, Subject(1), LIST) == 5
    assert count(simple, Subject(1), LIST) == 0


def test_switched_off_there_are_no_rules_at_all() -> None:
    assert rules_of(RateLimitConfig(is_enabled=False), {"a": LimitConfig(rate="1/hour")}) == ()


@pytest.mark.parametrize(
    ("who", "others"),
    [
        ("ip", [(Subject(1, "users/ben", "s2"), 0), (Subject(2, "users/ada", "s1"), 3)]),
        ("identity", [(Subject(2, "users/ada", "s2"), 0), (Subject(1, "users/ben", "s1"), 3), (GUEST, 50)]),
        ("session", [(Subject(2, "users/ada", "s1"), 0), (Subject(1, "users/ada", "s2"), 3), (GUEST, 50)]),
        ("global", [(Subject(2, "users/ben", "s2"), 0), (GUEST, 0)]),
    ],
)
def test_who_is_counted_together(who: str, others: list[tuple[Subject, int]]) -> None:
    limited = limiter(few=convert({"rate": "3/minute", "who": who}, LimitConfig))
    assert count(limited, ADA, LIST) == 3
    assert [count(limited, subject, LIST) for subject, _ in others] == [allowed for _, allowed in others]


@pytest.mark.parametrize(
    ("limit", "limited_ones"),
    [
        (LimitConfig(rate="3/minute"), [LIST, CREATE, CREATE_BY_ID, CUSTOM, CUSTOMERS]),
        (LimitConfig(rate="3/minute", class_="record_write"), [CREATE, CREATE_BY_ID]),
        (LimitConfig(rate="3/minute", collection="POSTS"), [LIST, CREATE, CREATE_BY_ID]),
        (LimitConfig(rate="3/minute", collection="pbc_1"), [LIST, CREATE, CREATE_BY_ID]),
        (LimitConfig(rate="3/minute", collection="posts", methods=("GET",)), [LIST]),
        (LimitConfig(rate="3/minute", path_prefix="/api/reports"), [CUSTOM]),
        (LimitConfig(rate="3/minute", path_prefix="/api/reports/"), [CUSTOM]),
        (LimitConfig(rate="3/minute", path_prefix="/"), [LIST, CREATE, CREATE_BY_ID, CUSTOM, CUSTOMERS]),
        (LimitConfig(rate="3/minute", collection="other"), []),
    ],
)
def test_what_a_limit_applies_to(limit: LimitConfig, limited_ones: list[Asked]) -> None:
    for asked in (LIST, CREATE, CREATE_BY_ID, CUSTOM, CUSTOMERS):
        assert count(limiter(few=limit), GUEST, asked) == (3 if asked in limited_ones else 50)


def test_refused_by_one_a_request_is_charged_to_none() -> None:
    limited = limiter(a=LimitConfig(rate="9/minute"), b=LimitConfig(rate="2/minute", class_="record_write"))
    assert count(limited, GUEST, CREATE) == 2
    refusal = limited.take(GUEST, CREATE)
    assert isinstance(refusal, Refusal)
    assert (refusal.rule.name, refusal.retry_after_s) == ("b", 30)
    assert count(limited, GUEST, LIST) == 7


def test_a_limit_on_get_is_not_evaded_by_head() -> None:
    limited = limiter(a=LimitConfig(rate="1/minute", methods=("GET",)))
    head = Asked("HEAD", LIST.kind, LIST.collection, LIST.segments)
    assert count(limited, GUEST, LIST) == 1
    assert isinstance(limited.take(GUEST, head), Refusal)


def test_a_cost_counts_as_so_many_requests() -> None:
    assert count(limiter(a=LimitConfig(rate="9/minute", cost=2.5)), GUEST, LIST) == 3


def test_what_is_charged_afterwards_counts_too() -> None:
    limited = limiter(a=LimitConfig(rate="10/minute", cost=2))
    charged = limited.take(GUEST, LIST)
    assert isinstance(charged, Charged)
    charged.more(3)
    assert {rule.name: left for rule, left, _ in limited.standing(charged)} == {"default": 996, "a": 2}


def test_a_batch_counts_as_the_requests_in_it() -> None:
    limited = limiter(a=LimitConfig(rate="10/minute", collection="posts"), b=LimitConfig(rate="5/minute"))
    batch = Asked("POST", "record_write", None, ("api", "batch"))
    charged = limited.take(GUEST, batch)
    assert isinstance(charged, Charged)
    assert limited.take_parts(charged, [CREATE, CREATE_BY_ID, CUSTOM]) is None
    assert {rule.name: left for rule, left, _ in limited.standing(charged)} == {
        "default": 997,
        "a": 8,
        "b": 2,
    }
    refusal = limited.take_parts(charged, [CREATE] * 4)
    assert isinstance(refusal, Refusal)
    assert refusal.rule.name == "b"
    assert {rule.name: left for rule, left, _ in limited.standing(charged)} == {
        "default": 997,
        "a": 8,
        "b": 2,
    }


def test_counts_are_kept_under_the_name_of_the_rule_when_rules_change() -> None:
    clock = ManualClock()
    limited = limiter(clock, a=LimitConfig(rate="5/minute"), b=LimitConfig(rate="5/minute", class_="file"))
    assert count(limited, GUEST, LIST) == 5
    wide = RateLimitConfig(max=1000, burst=1000)
    limited.configure(rules_of(wide, {"a": LimitConfig(rate="6/minute", message="Slow.")}))
    refusal = limited.take(GUEST, LIST)
    assert isinstance(refusal, Refusal)
    assert refusal.rule.message == "Slow."
    limited.configure(rules_of(wide, {"c": LimitConfig(rate="5/minute")}))
    assert count(limited, GUEST, LIST) == 5
    clock.advance(12)
    assert count(limited, GUEST, LIST) == 1


RATES = st.sampled_from(["3/second", "10/minute", "2/hour"])
LIMITS = st.dictionaries(
    st.sampled_from("abc"),
    st.builds(
        LimitConfig,
        rate=RATES,
        who=st.sampled_from(["ip", "identity", "session", "global"]),
        cost=st.sampled_from([1, 2, 0.5]),
        collection=st.sampled_from(["", "posts", "pbc_1"]),
        methods=st.sampled_from([(), ("GET",)]),
    ),
)


@given(
    limits=LIMITS,
    requests=st.lists(
        st.tuples(
            st.sampled_from([GUEST, ADA, Subject(2, "users/ben", "s2")]),
            st.sampled_from([LIST, CREATE, CREATE_BY_ID, CUSTOM]),
            st.integers(0, 3),
        ),
        max_size=40,
    ),
)
def test_what_is_looked_up_beforehand_is_charged_as_if_it_were_not(
    limits: dict[str, LimitConfig], requests: list[tuple[Subject, Asked, int]]
) -> None:
    clock = ManualClock()
    plain, quick = limiter(clock, **limits), limiter(clock, **limits)
    known: dict[tuple[str | None, str, str | None], Charged] = {}
    for subject, asked, seconds in requests:
        clock.advance(seconds)
        caller = (subject.identity, asked.method, asked.collection)
        expected = plain.take(subject, asked)
        before = known.get(caller)
        found = quick.take_charges(subject, quick.applying(asked)) if before is None else quick.again(before)
        if isinstance(expected, Refusal):
            assert found == expected
            continue
        if before is None:
            assert isinstance(found, Charged)
            before = known[caller] = found
        else:
            assert found is None
        assert quick.standing(before) == plain.standing(expected)


def test_the_version_rises_with_the_rules_and_with_the_names_of_collections() -> None:
    schema = [7]
    rules = rules_of(RateLimitConfig(), {"a": LimitConfig(rate="1/hour", collection="posts")})
    limited = Limiter(rules, 1000, ManualClock(), lambda name: f"{name}-{schema[0]}", lambda: schema[0])
    versions = [limited.version]
    schema[0] += 1
    versions.append(limited.version)
    limited.configure(rules)
    versions.append(limited.version)
    limited.configure(())
    versions.append(limited.version)
    assert versions == sorted(set(versions))
    assert limited.version == limited.version


def test_what_everything_is_charged_to_is_known_where_nothing_depends_on_the_request() -> None:
    one = limiter()
    assert one.for_everything == one.applying(LIST) == one.applying(CREATE)
    assert limiter(a=LimitConfig(rate="1/hour", collection="posts")).for_everything is None
    assert limiter(a=LimitConfig(rate="1/hour")).for_everything is not None


async def test_a_thousand_tasks_at_once_get_exactly_what_is_allowed() -> None:
    limited = limiter(
        a=LimitConfig(rate="300/minute"), b=LimitConfig(rate="400/minute", class_="record_read")
    )
    allowed = 0

    async def ask(number: int) -> None:
        nonlocal allowed
        for pause in range(number % 3):
            await asyncio.sleep(pause * 0.001)
        allowed += isinstance(limited.take(GUEST, LIST), Charged)

    await asyncio.gather(*(ask(number) for number in range(1000)))
    assert allowed == 300
    assert count(limited, GUEST, CREATE) == 0


def test_a_rule_for_everything_is_asked_without_a_look_at_the_request() -> None:
    rules = rules_of(RateLimitConfig(), {"a": LimitConfig(rate="1/hour", path_prefix="/")})
    assert all(isinstance(rule, Rule) and rule.is_for_everything for rule in rules)
