"""Hapta beside its peers: from single runs to tables, the plot and what has changed."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import peers
from bench.errors import BenchError
from bench.peers import rounds, saved
from bench.peers.contenders import HAPROXY, HAPTA, NGINX, POCKETBASE, contenders
from bench.peers.idle import Held
from bench.peers.plot import picture
from bench.peers.proof import is_alike, prime, proven, stale
from bench.peers.rounds import Run
from bench.peers.tables import against, of_workload, render, summary
from bench.peers.workloads import WORKLOADS, Sender, Way, targets
from bench.plan import Plan
from bench.pocketbase import PocketBase, pocketbase


def _run(contender: str, number: int, per_s: float, *, kind: str = "", workload: str = "view-token") -> Run:
    return Run(
        workload, number, contender, kind or contender, per_s, 0.5, 1.5, 20.0, 0.0, 60.0, load_share=0.5,
        foreign=0.01,
    )  # fmt: skip


RUNS = [
    _run(HAPTA, 0, 150.0), _run(NGINX, 0, 100.0), _run(POCKETBASE, 0, 10.0),
    _run(POCKETBASE, 1, 5.0), _run(HAPTA, 1, 60.0), _run(NGINX, 1, 50.0),
]  # fmt: skip


def test_ratios_are_taken_between_runs_of_one_round() -> None:
    # a machine half as fast in the second round, whose order was another
    found = of_workload(RUNS, "view-token")
    assert list(found) == [POCKETBASE, NGINX, HAPTA]
    ratio = against(found[HAPTA], found[NGINX])
    assert ratio is not None
    assert (ratio.least, ratio.greatest) == (1.2, 1.5)


def test_a_round_that_one_of_both_has_lost_is_no_ratio() -> None:
    lost = [replace(run, fault="2 of 9 requests failed") if run is RUNS[1] else run for run in RUNS]
    found = of_workload(lost, "view-token")
    ratio = against(found[HAPTA], found[NGINX])
    assert ratio is not None
    assert (ratio.least, ratio.greatest) == (1.2, 1.2)
    assert against(found[HAPTA], []) is None


def test_a_run_that_does_not_count_is_named_and_in_no_figure() -> None:
    text = render(
        [replace(run, fault="3 of 9 requests failed") for run in RUNS if run.contender == HAPTA], []
    )
    assert "Does not count: Hapta, view-token, round 2: 3 of 9 requests failed." in text
    assert "150" not in text


def test_the_summary_holds_hapta_against_nginx_and_pocketbase() -> None:
    line = summary(RUNS).splitlines()[-1]
    assert line.startswith("| a view, Authorization | 105 (60–150) | 1.35 (1.20–1.50) | 14 (12–15) | 20.0")


def test_an_nginx_with_another_key_is_the_nginx_of_its_workload() -> None:
    runs = [_run("nginx, one key for all", 0, 100.0, kind=NGINX, workload="first")]
    runs.append(_run(HAPTA, 0, 50.0, workload="first"))
    assert "| 0.50 (0.50–0.50) |" in summary(runs)


def test_a_server_that_may_have_waited_for_the_load_is_marked() -> None:
    text = render([replace(run, load_share=0.97) if run.contender == HAPTA else run for run in RUNS], [])
    assert "| Hapta ¹ |" in text
    assert "| nginx |" in text
    assert "¹ wrk used its whole core" in text


def test_answers_older_than_a_write_have_a_column_where_there_are_any() -> None:
    old = [replace(run, stale=30.0) if run.contender == NGINX else run for run in RUNS]
    line = next(line for line in render(old, []).splitlines() if line.startswith("| nginx |"))
    assert line.endswith("| 60 | 30 (30–30) |")
    assert "stale" not in render(RUNS, [])


def test_memory_of_idle_connections_has_a_table() -> None:
    text = render(RUNS, [Held(0, HAPTA, HAPTA, 7.5 * 1024), Held(1, HAPTA, HAPTA, 8.5 * 1024)])
    assert "| 1,000 idle connections | KiB each |" in text
    assert "| Hapta | 8.0 (7.5–8.5) |" in text


def test_the_plot_has_a_bar_for_each_server_beside_nginx() -> None:
    drawn = ElementTree.fromstring(picture(RUNS))
    titles = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert titles == ["PocketBase: 0.10 (0.10–0.10)", "Hapta: 1.35 (1.20–1.50)"]
    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "a view, Authorization" in texts


def test_without_nginx_there_is_no_plot() -> None:
    assert picture([run for run in RUNS if run.contender != NGINX]) == ""


def test_what_was_kept_is_read_again_and_only_measured_workloads_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "peers.json"
    assert saved.read(path) == []
    other = [_run(HAPTA, 0, 9.0, workload="cold")]
    saved.write(path, [*RUNS, *other], [])
    saved.write(path, RUNS[:2], saved.read(path))
    assert saved.read(path) == [*other, *RUNS[:2]]


@pytest.mark.parametrize("text", ["", "[{}]", '[{"workload": "cold", "old": 1}]', "null"])
def test_what_was_kept_in_another_form_is_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "peers.json"
    path.write_text(text)
    assert saved.read(path) == []


def test_before_and_after_are_held_against_each_other() -> None:
    after = [replace(run, cpu_us=10.0) if run.contender == HAPTA else run for run in RUNS]
    assert saved.compared(RUNS, after).splitlines()[-1] == (
        "| a view, Authorization | 1.35 | 1.35 | 20.0 | 10.0 | -50% | 1.50 | 1.50 |"
    )


def test_another_working_copy_is_held_against_in_its_own_rounds() -> None:
    before = [replace(run, contender="before", kind="before", per_s=run.per_s / 2) for run in RUNS[:1]]
    assert saved.beside([*RUNS, *before], "before").splitlines()[-1] == (
        "| a view, Authorization | 2.00 (2.00–2.00) | 20.0 (20.0–20.0) | 20.0 (20.0–20.0) | +0% |"
    )
    assert saved.beside(RUNS, "before") == ""


def test_without_a_result_before_nothing_is_compared() -> None:
    assert saved.compared([], RUNS) == ""


def test_lengths_tell_a_304_from_a_200_and_not_one_view_from_another() -> None:
    assert is_alike(905, 880)
    assert is_alike(394, 312)
    assert not is_alike(880, 312)
    assert not is_alike(312, 16_900)


def test_names_of_workloads_are_there_once() -> None:
    names = [workload.name for workload in WORKLOADS]
    assert len(set(names)) == len(names)


def test_haproxy_takes_part_where_guests_ask_only() -> None:
    (haproxy,) = [one for one in contenders({}, {}) if one.name == HAPROXY]
    taken = [workload for workload in WORKLOADS if haproxy.takes(workload)]
    assert {workload.sender for workload in taken} == {Sender.GUEST}
    assert {workload.way for workload in taken} == {Way.HIT}


def test_every_workload_has_hapta_and_one_nginx_to_be_held_against() -> None:
    for workload in WORKLOADS:
        kinds = [one.kind for one in contenders({}, {}) if one.takes(workload)]
        assert kinds.count(HAPTA) == kinds.count(NGINX) == kinds.count(POCKETBASE) == 1, workload.name


@pytest.mark.parametrize("name", [HAPTA, NGINX, "Hapta, no cache", "mine"])
def test_no_two_rows_have_the_same_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="that name is taken"):
        contenders({name: tmp_path}, {"mine": "http://127.0.0.1:1"})


def test_a_folder_without_hapta_is_not_measured(tmp_path: Path) -> None:
    (other,) = [one for one in contenders({"before": tmp_path}, {}) if one.name == "before"]
    with pytest.raises(BenchError, match="no working copy"):
        other.start(tmp_path, PocketBase(0, 0, "", []))


def test_a_miss_is_of_any_record_and_a_hit_of_few() -> None:
    ids = [f"record{number:09}" for number in range(3000)]
    of = {workload.name: targets(workload.ask, workload.way, ids) for workload in WORKLOADS}
    assert len(of["miss-view"]) == 3000
    assert len(of["miss-list"]) == 100
    assert len(of["views-token"]) == 1000
    assert of["view-token"] == ["/api/collections/posts/records/record000000000"]


def test_an_answer_is_proven_by_pocketbase_s(tmp_path: Path) -> None:
    with pocketbase(tmp_path) as upstream:
        target = f"/api/collections/posts/records/{upstream.ids[0]}"
        answer = proven(upstream.port, upstream.port, target, {})
        assert json.loads(answer.body)["id"] == upstream.ids[0]
        assert len(answer.body) < answer.wire_bytes < len(answer.body) + 1000
        assert stale(upstream.port, upstream.port, [target], {}) == 0
        with pytest.raises(BenchError, match="does not tell of 'HIT'"):
            proven(upstream.port, upstream.port, target, {}, mark=("X-Cache", "HIT"))
        with pytest.raises(BenchError, match="is answered with 404"):
            prime(upstream.port, [target, target[:-1]], [{}])


@pytest.mark.all_modes
@pytest.mark.timeout(300)  # six workloads, three servers, a second each
def test_a_round_runs_to_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved, "FOLDER", tmp_path / "kept")
    monkeypatch.setattr(rounds, "wait_until_quiet", lambda within_s: None)
    only = ("view-callers", "first", "304-view", "cold", "miss-view", "mixed-5")
    home = tmp_path / "home"
    home.mkdir()
    section = peers.measure(Plan(home, runs=1, seconds=1, streams=2, is_quick=True, only=only))
    assert {run["workload"] for run in section.runs} == set(only)
    assert [run["fault"] for run in section.runs if run["fault"]] == []
    assert "| Hapta, 200 |" in section.tables
    assert section.aside == ""
    nginx = next(run for run in section.runs if (run["workload"], run["contender"]) == ("mixed-5", NGINX))
    assert nginx["stale"] > 0
    assert {run.workload for run in saved.read(tmp_path / "kept" / "peers-quick.json")} == set(only)
