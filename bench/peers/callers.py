"""Who asks: what a browser sends with every request, and users who have logged in."""

from collections.abc import Mapping

import httpx

from bench.pocketbase import N_USERS, USER_PASSWORD, PocketBase, impersonated

_LANGUAGES = ("en-US,en;q=0.9", "de-DE,de;q=0.9,en;q=0.8", "fr-FR,fr;q=0.9,en;q=0.7", "ja-JP,ja;q=0.9")


def browser(number: int = 0) -> dict[str, str]:
    """All that a browser's ``fetch`` of another origin sends, but Host; each number is another browser."""
    version = 128 + number // len(_LANGUAGES)
    return {
        "sec-ch-ua": f'"Chromium";v="{version}", "Not=A?Brand";v="24", "Google Chrome";v="{version}"',
        "sec-ch-ua-mobile": "?0",
        "sec-ch-ua-platform": '"Linux"',
        "User-Agent": (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
            f"Chrome/{version}.0.0.0 Safari/537.36"
        ),
        "Accept": "*/*",
        "Accept-Encoding": "gzip, deflate, br, zstd",
        "Accept-Language": _LANGUAGES[number % len(_LANGUAGES)],
        "Origin": "https://app.example.com",
        "Referer": "https://app.example.com/",
        "Sec-Fetch-Dest": "empty",
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Site": "cross-site",
        "Priority": "u=1, i",
    }


def with_token(token: str, others: Mapping[str, str]) -> dict[str, str]:
    """``others`` and that token, as PocketBase's SDK sends it."""
    return {**others, "Authorization": token}


def own_tokens(upstream: PocketBase) -> list[str]:
    """One of PocketBase's tokens for every user."""
    found = httpx.get(
        f"{upstream.url}/api/collections/users/records",
        params={"perPage": N_USERS, "sort": "email", "fields": "id"},
        headers={"Authorization": upstream.token},
        timeout=30,
    )
    return [impersonated(upstream, item["id"])[0] for item in found.raise_for_status().json()["items"]]


def logged_in(port: int, count: int = N_USERS) -> list[str]:
    """Tokens of the first ``count`` users, who have logged in with their passwords at ``port``."""
    tokens = []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        for number in range(count):
            body = {"identity": f"u{number}@example.com", "password": USER_PASSWORD}
            answer = client.post("/api/collections/users/auth-with-password", json=body)
            tokens.append(str(answer.raise_for_status().json()["token"]))
    return tokens
