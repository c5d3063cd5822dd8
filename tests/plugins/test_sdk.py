"""The JavaScript SDK meets refusals of hooks as errors of the kind it always throws."""

from pathlib import Path

import pytest

from tests.plugins.workshop import serving
from tests.sdk.runner import Side, run
from tests.support.pocketbase import PocketBase

REFUSES = """
def setup(api):
    @api.validate("posts")
    async def look(change):
        match change.fields.get("title"):
            case "refuse": raise Reject("title", code="not_this", message="Not this one.")
            case "go away": raise Reject(message="Go away.", status=403)
            case "crash": raise RuntimeError

    @api.on_auth("users")
    async def admit(login):
        raise Reject("identity", code="banned", message="You are banned.", status=403)
"""
FIELD = {"title": {"code": "not_this", "message": "Not this one."}}


@pytest.mark.timeout(180)  # the first test of the SDK installs the npm packages
def test_the_sdk_throws_what_it_throws_for_pocketbase(
    node: str, pocketbase: PocketBase, tmp_path: Path
) -> None:
    with serving(tmp_path, pocketbase.url, {"refuses.py": REFUSES}) as shop:
        side = Side("through Hapta", shop.hapta.url, pocketbase.mail.directory, (), {})
        steps = run(node, Path(__file__).with_name("refusals.mjs"), side, 45)
    came = {step["name"]: step.get("value") or step["error"] for step in steps}
    assert {name: error["status"] for name, error in came.items() if "status" in error} == {
        "create": 400,
        "create with a file": 400,
        "update": 400,
        "another status": 403,
        "a guard that crashed": 500,
        "a batch": 400,
        "a login": 403,
    }
    assert came["what was thrown"] == {
        "isClientResponseError": True,
        "url": "/api/collections/posts/records",
        "code": "not_this",
        "message": "Failed to create record.",
    }
    for name in ("create", "update", "create with a file"):
        assert came[name]["response"]["data"] == FIELD
    in_batch = came["a batch"]["response"]["data"]["requests"]
    assert in_batch["1"]["response"]["data"] == FIELD
    assert came["a login"]["response"]["data"] == {
        "identity": {"code": "banned", "message": "You are banned."}
    }
    assert came["another status"]["response"] == {"data": {}, "message": "Go away.", "status": 403}
    assert came["and what is fine is fine"] == "fine"
