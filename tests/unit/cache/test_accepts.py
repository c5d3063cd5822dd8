"""Who gets gzip: the grammar of Accept-Encoding, and what is outside it."""

import pytest

from hapta.cache.accepts import takes_gzip


@pytest.mark.parametrize(
    "value",
    [
        "gzip",
        "GZIP",
        "x-gzip",
        "gzip, deflate, br, zstd",
        "br;q=1.0, gzip;q=0.8, *;q=0.1",
        "identity;q=0.5, gzip;q=1.0",
        "gzip;q=0.5, identity;q=0.5",
        "*",
        "*;q=0.5",
        "identity;q=0, *",
        "identity;q=0, gzip;q=0.001",
        " , gzip\t; Q=1.000 ,,",
        "deflate;q=0, gzip",
    ],
)
def test_gzip_is_taken(value: str) -> None:
    assert takes_gzip(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "identity",
        "br, deflate",
        "gzip;q=0",
        "gzip;q=0.000",
        "gzip;q=0, *",
        "*;q=0",
        "identity;q=0, *;q=0",
        "identity;q=0",
        "identity, gzip;q=0.9",
        "gzip, x-gzip;q=0",
        "gzip;q=2",
        "gzip;q=-1",
        "gzip;q=nan",
        "gzip;q=0.1234",
        "gzip;level=9",
        "gzip;q=1;q=0",
        "gzip gzip",
        'gzip, "',
        "gzip\x00",
        "gzip, é",
        "gzip" + " " * 300,
    ],
)
def test_the_bytes_are_sent_as_they_are(value: str | None) -> None:
    assert not takes_gzip(value)
