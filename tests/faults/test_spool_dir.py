"""The folder for large bodies fails while Hapta runs: 503 for those, everything else goes on."""

import shutil
from pathlib import Path

from tests.conftest import MakeHapta
from tests.faults.clients import ask
from tests.faults.test_upstream_breaks import assert_refusal
from tests.support.upstream_double import UpstreamDouble

RECORDS = "/api/collections/posts/records"


def test_a_body_that_cannot_be_put_into_a_file_is_503_and_the_operator_is_told(
    double: UpstreamDouble, make_hapta: MakeHapta, tmp_path: Path
) -> None:
    folder = tmp_path / "made" / "at the start"
    hapta = make_hapta(upstream=double.url, server__spool_dir=folder)
    assert ask(hapta.url, "POST", RECORDS, body=bytes(2_000_000)).status == 200
    assert list(folder.iterdir()) == []
    shutil.rmtree(folder)
    reply = ask(hapta.url, "POST", RECORDS, body=bytes(2_000_000))
    assert_refusal(reply, 503, "The server is busy. Please try again shortly.")
    assert "server.spool_dir" in hapta.log
    assert ask(hapta.url, "POST", RECORDS, body=bytes(1000)).status == 200
    folder.mkdir()
    assert ask(hapta.url, "POST", RECORDS, body=bytes(2_000_000)).status == 200
    assert double.count("POST", RECORDS) == 3
