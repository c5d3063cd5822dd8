"""A picture: requests a second beside nginx's, as bars, one group for each workload."""

from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from bench.peers.contenders import HAPROXY, HAPTA, NGINX, POCKETBASE, VARNISH
from bench.peers.rounds import Run
from bench.peers.tables import against, of_kind, of_workload
from bench.peers.workloads import WORKLOADS
from bench.statistics import Spread

FILE: Final = "performance-peers.svg"
_COLOURS = {POCKETBASE: "#8a8f98", VARNISH: "#c58b2b", HAPROXY: "#5b8c5a", HAPTA: "#2f5d9b"}
_WIDTH, _LEFT, _RIGHT, _TOP = 880, 275, 60, 56
_BAR, _GAP = 11, 12


def picture(runs: Sequence[Run]) -> str:
    """SVG; empty when nobody was measured beside nginx."""
    groups = [(workload.title, bars) for workload in WORKLOADS if (bars := _bars(runs, workload.name))]
    if not groups:
        return ""
    most = max(ratio.greatest for _, bars in groups for _, ratio in bars)
    scale = (_WIDTH - _LEFT - _RIGHT) / max(1.2, most)
    height = _TOP + sum(len(bars) * _BAR + _GAP for _, bars in groups) + 8
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="16" font-size="13">Requests a second, as a multiple of nginx\'s: '
        "median of the rounds, least and greatest</text>",
        *_legend(),
        *_grid(max(1.2, most), scale, height),
    ]
    top = _TOP
    for title, bars in groups:
        middle = top + len(bars) * _BAR / 2 + 4
        lines.append(f'<text x="{_LEFT - 8}" y="{middle:.1f}" text-anchor="end">{escape(title)}</text>')
        for kind, ratio in bars:
            lines += _bar(kind, ratio, top, scale)
            top += _BAR
        top += _GAP
    return "\n".join([*lines, "</svg>", ""])


def _bars(runs: Sequence[Run], workload: str) -> list[tuple[str, Spread]]:
    found = of_workload(runs, workload)
    nginx = of_kind(found, NGINX)
    beside = ((kind, against(of_kind(found, kind), nginx)) for kind in _COLOURS)
    return [(kind, ratio) for kind, ratio in beside if ratio is not None]


def _legend() -> Iterator[str]:
    for place, (kind, colour) in enumerate(_COLOURS.items()):
        x = _LEFT + place * 100
        yield f'<rect x="{x}" y="25" width="10" height="10" fill="{colour}"/>'
        yield f'<text x="{x + 14}" y="34">{escape(kind)}</text>'


def _grid(most: float, scale: float, height: int) -> Iterator[str]:
    step = 0.5 if most <= 5 else 1.0
    for number in range(int(most / step) + 1):
        x = _LEFT + number * step * scale
        colour = "#333333" if number * step == 1 else "#dddddd"
        yield f'<line x1="{x:.1f}" y1="48" x2="{x:.1f}" y2="{height - 8}" stroke="{colour}"/>'
        yield f'<text x="{x:.1f}" y="46" text-anchor="middle" fill="#555555">{number * step:g}</text>'


def _bar(kind: str, ratio: Spread, top: float, scale: float) -> Iterator[str]:
    width, middle = ratio.middle * scale, top + (_BAR - 2) / 2
    least, greatest = (_LEFT + value * scale for value in (ratio.least, ratio.greatest))
    yield (
        f'<rect x="{_LEFT}" y="{top:.1f}" width="{max(width, 0.5):.1f}" height="{_BAR - 2}" '
        f'fill="{_COLOURS[kind]}"><title>{escape(kind)}: {ratio.shown(2)}</title></rect>'
    )
    yield (
        f'<line x1="{least:.1f}" y1="{middle:.1f}" x2="{greatest:.1f}" y2="{middle:.1f}" '
        'stroke="#000000" stroke-opacity="0.55"/>'
    )
    yield f'<text x="{greatest + 5:.1f}" y="{top + _BAR - 2:.1f}" font-size="10">{ratio.middle:.2f}</text>'
