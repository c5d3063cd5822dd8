"""The settings Hapta needs, at a real PocketBase."""

from pathlib import Path

import httpx

from hapta.embedded import CLIENT_IP_HEADER, ensure_settings
from tests.embedded.conftest import LogIn, Start


async def test_settings_are_brought_in_line_once_and_other_settings_are_left(
    start: Start, log_in: LogIn
) -> None:
    pocketbase = await start()
    api = await log_in(pocketbase)
    _, before = await api.request("GET", "/api/settings")
    changed = await ensure_settings(api, public_url="", own_url="http://127.0.0.1:8080")
    assert changed == ("trustedProxy.headers", "meta.appURL")
    _, after = await api.request("GET", "/api/settings")
    before["trustedProxy"]["headers"] = [CLIENT_IP_HEADER]
    before["meta"]["appURL"] = "http://127.0.0.1:8080"
    assert after == before
    assert await ensure_settings(api, public_url="", own_url="http://127.0.0.1:8080") == ()
    assert await ensure_settings(api, public_url="https://example.com", own_url="") == ("meta.appURL",)


async def test_pocketbase_then_takes_the_clients_address_from_haptas_header(
    start: Start, log_in: LogIn, tmp_path: Path
) -> None:
    (tmp_path / "pb_hooks").mkdir()
    route = 'routerAdd("GET", "/ip", (e) => e.json(200, {ip: e.realIP()}))'
    (tmp_path / "pb_hooks" / "ip.pb.js").write_text(route)
    pocketbase = await start()
    await ensure_settings(await log_in(pocketbase), public_url="", own_url="http://127.0.0.1:8080")
    async with httpx.AsyncClient(base_url=pocketbase.base_url) as client:
        forged = {"X-Forwarded-For": "192.0.2.1", "X-Real-IP": "192.0.2.2"}
        assert (await client.get("/ip", headers=forged)).json() == {"ip": "127.0.0.1"}
        named = forged | {CLIENT_IP_HEADER: "198.51.100.7"}
        assert (await client.get("/ip", headers=named)).json() == {"ip": "198.51.100.7"}
