"""Between two requests on one connection something changes: the very next answer is right."""

from tests.fastlane.site import LIST, Caller, Site, body, status


def test_what_was_answered_before_is_answered_by_the_lane(on: Site) -> None:
    with Caller(on) as guest:
        first = guest.warm(LIST)
        again, is_told = guest.told(LIST)
    assert is_told
    assert status(again) == 200
    assert body(again) == body(first)
