"""64 clients read and write at once: no read shows less than what was acknowledged before it was sent."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from tests.coherence.conftest import OpenSite
from tests.coherence.ledger import Ledger
from tests.coherence.line import Answer, Line
from tests.coherence.load import Load
from tests.coherence.site import Site

Record = Callable[[str, object], None]


async def _check(site: Site, reads: int, seed: int, record_property: Record) -> None:
    report = await Load(site.world, site.line, site.tokens, seed).run(reads)
    record_property("coherence", str(report))
    print(report)
    assert report.findings.is_clean, str(report.findings)
    assert report.writes > reads / 100
    assert report.hit_share > 0.25


@pytest.mark.timeout(300)
async def test_no_read_is_older_than_the_last_acknowledged_write(site: Site, record_property: Record) -> None:
    await _check(site, 20_000, 1, record_property)


@pytest.mark.all_modes
@pytest.mark.timeout(7200)
async def test_nor_of_a_million(site: Site, record_property: Record) -> None:
    await _check(site, 1_000_000, 2, record_property)


@pytest.mark.timeout(120)
async def test_nor_when_hardly_anything_fits_into_memory(new_site: OpenSite, record_property: Record) -> None:
    settings = {"cache__max_bytes": 2**20, "cache__max_response_bytes": 2**17}
    with new_site(**settings) as site:
        report = await Load(site.world, site.line, site.tokens, 3).run(4_000)
    record_property("coherence", str(report))
    assert report.findings.is_clean, str(report.findings)


class _Forgetful(Line):
    """Answers every fifth read from what it read before: what the check must notice."""

    remembered: Mapping[str, Answer] = {}

    async def ask(
        self,
        method: str,
        target: str,
        token: str = "",
        json: Any = None,
        *,
        fields: Sequence[str] = (),
        body: bytes | None = None,
    ) -> Answer:
        key = f"{method} {target} {token}"
        if method == "GET" and hash(key) % 5 == 0 and key in self.remembered:
            return self.remembered[key]
        answer = await super().ask(method, target, token, json, fields=fields, body=body)
        self.remembered = {**self.remembered, key: answer}
        return answer


async def test_the_check_notices_answers_kept_too_long(site: Site) -> None:
    def forgetful(number: int) -> Line:
        line = site.line(number)
        line.__class__ = _Forgetful
        return line

    report = await Load(site.world, forgetful, site.tokens, 4).run(3_000)
    assert report.findings.counts["stale"]
    assert report.findings.counts["missing"]
    assert not report.findings.counts["failed"], str(report.findings)


def test_a_version_is_shown_from_its_sending_to_the_acknowledgement_of_the_next() -> None:
    ledger = Ledger()
    row = ledger.row("notes", "a")
    for rev in (1, 2):
        steps = [(row, {"rev": rev})]
        ledger.begin(steps)
        before = ledger.moment()
        ledger.judge_row(row, {"rev": rev}, before, "early")
        ledger.acknowledge(steps)
    assert ledger.findings.is_clean
    ledger.judge_row(row, {"rev": 1}, before, "regressed: shown at 2 after this read was sent")
    assert ledger.findings.is_clean, "what this read was sent before does not count against it"
    ledger.judge_row(row, {"rev": 1}, ledger.moment(), "late")
    ledger.judge_row(row, {"rev": 3}, ledger.moment(), "never sent")
    assert ledger.findings.counts == {"stale": 1, "made-up": 1}
