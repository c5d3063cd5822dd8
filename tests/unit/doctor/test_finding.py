"""hapta.doctor.finding"""

from hapta.doctor.finding import Level, fail, ok, warn


def test_the_three_levels_carry_what_was_found_and_what_to_do() -> None:
    assert (ok("a", "b").level, ok("a", "b").advice) == (Level.OK, "")
    assert (warn("a", "b", "c").level, warn("a", "b", "c").advice) == (Level.WARN, "c")
    assert (fail("a", "b", "c").level, fail("a", "b", "c").found) == (Level.FAIL, "b")


def test_what_a_foreign_server_says_is_made_harmless() -> None:
    finding = fail("a", "\x1b[2Jhttp://x/?token=s3cret", "c\n")
    assert finding.found == r"\x1b[2Jhttp://x/?token=[redacted]"
    assert finding.advice == r"c\n"
