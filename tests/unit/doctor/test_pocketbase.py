"""hapta.doctor.pocketbase: what settings and clocks mean; the asking is tested against a real one."""

from typing import Any

import pytest

from hapta.doctor import Level
from hapta.doctor.pocketbase import outward_addresses, settings_findings, skew_finding, sql, way_around

OWN = "http://127.0.0.1:8080"
GOOD: dict[str, Any] = {
    "trustedProxy": {"headers": ["X-Hapta-Client-IP"]},
    "meta": {"appURL": OWN},
    "batch": {"enabled": True},
}


def levels(settings: dict[str, Any]) -> dict[str, list[Level]]:
    found: dict[str, list[Level]] = {}
    for finding in settings_findings(settings, "", OWN):
        found.setdefault(finding.name, []).append(finding.level)
    return found


def test_settings_as_hapta_makes_them_are_well() -> None:
    assert levels(GOOD) == {"settings": [Level.OK], "batch": [Level.OK]}


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"trustedProxy": {"headers": []}}, id="no client addresses"),
        pytest.param({"meta": {"appURL": "http://localhost:8090"}}, id="mails lead elsewhere"),
        pytest.param({"trustedProxy": None}, id="of another form"),
    ],
)
def test_settings_that_go_around_hapta_are_a_warning_with_advice(wrong: dict[str, Any]) -> None:
    findings = list(settings_findings({**GOOD, **wrong}, "", OWN))
    assert findings[0].level is Level.WARN
    assert findings[0].advice


@pytest.mark.parametrize("settings", [{**GOOD, "batch": {"enabled": False}}, {**GOOD, "batch": None}])
def test_batch_that_is_off_is_said_and_no_fault(settings: dict[str, Any]) -> None:
    (batch,) = [finding for finding in settings_findings(settings, "", OWN) if finding.name == "batch"]
    assert batch.level is Level.OK
    assert batch.found.startswith("off")


@pytest.mark.parametrize(
    ("seconds", "level"),
    [(0.0, Level.OK), (4.9, Level.OK), (-4.9, Level.OK), (6.0, Level.WARN), (-3600.0, Level.WARN)],
)
def test_clocks_that_disagree_are_a_warning(seconds: float, level: Level) -> None:
    assert skew_finding(seconds).level is level


def test_the_direction_of_a_skew_is_told() -> None:
    assert "60 s ahead" in skew_finding(60.0).found
    assert "60 s behind" in skew_finding(-60.0).found


async def test_a_database_at_another_address_can_be_reached_around_hapta() -> None:
    finding = await way_around("http://10.0.0.5:8090")
    assert finding.level is Level.WARN
    assert "10.0.0.5" in finding.found


def test_outward_addresses_are_never_loopback() -> None:
    assert not any(address.startswith("127.") or address == "::1" for address in outward_addresses())


@pytest.mark.parametrize(("status", "found"), [(200, "there: "), (404, "not there (status 404)")])
async def test_sql_that_is_not_there_is_no_fault(status: int, found: str) -> None:
    class Superuser:
        async def request(self, method: str, path: str, json: object) -> tuple[int, object]:
            return status, None

    finding = await sql(Superuser())  # type: ignore[arg-type]
    assert finding.level is Level.OK
    assert finding.found.startswith(found)
