"""From single runs to the tables: the right column, the right round."""

import pytest

from bench import hooks, passthrough, startup, streams, uploads
from bench.errors import BenchError


def _run(contender: str, number: int, per_s: float, p50_ms: float) -> passthrough.Run:
    return passthrough.Run("view", 1, number, contender, per_s, p50_ms, 9.0, 250.0, 50.4, 0.25 * number)


def test_the_pass_through_table_has_ratios_and_added_latency() -> None:
    runs = [
        _run("PocketBase", 0, 400.0, 0.20), _run("nginx", 0, 300.0, 0.25), _run("Hapta", 0, 150.0, 0.60),
        _run("PocketBase", 1, 200.0, 0.40), _run("nginx", 1, 150.0, 0.50), _run("Hapta", 1, 90.0, 0.85),
    ]  # fmt: skip
    lines = passthrough.render(runs).splitlines()
    assert lines[0] == "**A view of one record, 1 connection**"
    assert lines[-1] == "Other processes used at most 0.25 cores during a run."
    cells = [cell.strip() for cell in lines[-3].strip("|").split("|")]
    assert cells == [
        "Hapta", "120 (90–150)", "0.55 (0.50–0.60)", "0.72 (0.60–0.85)", "0.42 (0.40–0.45)",
        "9.00 (9.00–9.00)", "250 (250–250)", "50",
    ]  # fmt: skip


def test_the_streams_table_tells_how_many_got_the_event() -> None:
    run = streams.Run(0, 2000, 1999, 0.2, 4.0, hapta_bytes=28.5 * 1024, pocketbase_bytes=50 * 1024)
    table = streams.render([run])
    assert "| Hapta, KiB per client | 28.5 (28.5–28.5) |" in table
    assert "| streams that got an event | 1,999 (1,999–1,999) |" in table


def test_the_startup_table_keeps_the_kinds_apart() -> None:
    runs = [startup.Run(0, "remote", 0.3), startup.Run(0, "first", 0.9), startup.Run(0, "embedded", 0.5)]
    assert startup.render(runs).splitlines()[2:] == [
        "| before a PocketBase that runs | 0.30 (0.30–0.30) |",
        "| with its own PocketBase | 0.50 (0.50–0.50) |",
        "| with its own PocketBase, very first start | 0.90 (0.90–0.90) |",
    ]


def test_the_client_id_is_read_from_the_first_event() -> None:
    event = b'HTTP/1.1 200 OK\r\n\r\nid:abc\nevent:PB_CONNECT\ndata:{"clientId":"abc"}\n\n'
    assert streams.client_id(event) == "abc"


def test_an_event_without_a_client_id_is_an_error() -> None:
    with pytest.raises(BenchError, match="clientId"):
        streams.client_id(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")


def test_the_table_of_creates_compares_with_a_gateway_without_hooks() -> None:
    runs = [
        hooks.Run(number, f"create, {connections}", what, per_s, 2.0)
        for number in range(2)
        for connections in hooks.CONNECTIONS
        for what, per_s in ((hooks.DIRECT, 400.0), (hooks.WITHOUT, 200.0), (hooks.WITH, 150.0))
    ]
    runs += [hooks.Run(0, "in process", "no hook", 0.5), hooks.Run(0, "reads", hooks.IDLE, 0.2, 0.9)]
    lines = hooks.render(runs).splitlines()
    row = "| Hapta, ten validate hooks, 16 | 150 (150–150) | 0.75 (0.75–0.75) | 2.00 (2.00–2.00) |"
    assert row in lines
    assert "| no writes | 0.20 (0.20–0.20) | 0.90 (0.90–0.90) |" in lines


def test_the_table_of_uploads_compares_with_pocketbase_at_the_same_size() -> None:
    runs = [
        uploads.Run(0, "1 MiB", uploads.DIRECT, 100.0), uploads.Run(0, "1 MiB", uploads.POLICY, 50.0),
        uploads.Run(0, "64 MiB", uploads.DIRECT, 200.0), uploads.Run(0, "64 MiB", uploads.POLICY, 150.0),
        uploads.Run(0, "memory", uploads.POLICY, 3 * 2**20),
    ]  # fmt: skip
    text = uploads.render(runs)
    assert "| 64 MiB: Hapta, [uploads] | 150 (150–150) | 0.75 (0.75–0.75) |" in text
    assert "grows by 3.0 (3.0–3.0) MiB while a file of 1,024 MiB passes." in text


def test_a_file_is_its_pattern_repeated_to_its_length() -> None:
    file = uploads.File("data.bin", 10, b"abcd")
    assert b"".join(file.pieces()) == b"abcdabcdab"
