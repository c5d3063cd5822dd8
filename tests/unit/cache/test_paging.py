"""Pages as PocketBase counts them."""

import pytest

from hapta.cache.paging import Paging, parse_paging


@pytest.mark.parametrize(
    ("values", "paging"),
    [
        ({}, Paging(1, 30, False)),
        ({"page": "0", "perPage": "0"}, Paging(1, 30, False)),
        ({"page": "3", "perPage": "2000", "skipTotal": "1"}, Paging(3, 1000, True)),
        ({"perPage": "007", "skipTotal": "true"}, Paging(1, 7, True)),
        ({"skipTotal": "false"}, Paging(1, 30, False)),
        ({"page": "-1"}, None),
        ({"page": "x"}, None),
        ({"page": ""}, None),
        ({"perPage": "1_0"}, None),
        ({"perPage": "9999999999"}, None),
        ({"skipTotal": "maybe"}, None),
        ({"skipTotal": "t"}, None),
    ],
)
def test_what_is_plain_is_read_and_the_rest_left_to_pocketbase(
    values: dict[str, str], paging: Paging | None
) -> None:
    assert parse_paging(values) == paging
