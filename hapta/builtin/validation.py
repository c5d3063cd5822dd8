"""The plugin ``validate``: checks of the values a write sets, all failing fields in one answer."""

from collections.abc import Mapping
from typing import Any, Final

from hapta.builtin.checks import REQUIRED, FieldChecks, count_in, texts_in
from hapta.plugins import Change, FieldError, PluginApi, Reject

NAME: Final = "validate"
_MOST_AT_ONCE: Final = 50_000
"""Characters whose links are counted on the spot, in up to a tenth of a second; more go to the pool."""


def add_checks(api: PluginApi, collection: str, fields: Mapping[str, FieldChecks]) -> None:
    """Register the checks of one collection."""

    async def check(change: Change) -> None:
        errors: dict[str, FieldError] = {}
        for name, checks in fields.items():
            if name not in change.fields:
                if change.action == "create" and checks.is_required:
                    errors[name] = checks.judge(None) or REQUIRED
                continue
            value = change.fields[name]
            error = checks.judge(value)
            if error is None and checks.most_links is not None:
                error = checks.judge_links(await _links(api, value))
            if error is not None:
                errors[name] = error
        if errors:
            raise Reject.of_fields(errors)

    check.__name__ = f"check_{collection}"
    api.validate(collection, on={"create", "update"})(check)


async def _links(api: PluginApi, value: Any) -> int:
    if sum(map(len, texts_in(value))) <= _MOST_AT_ONCE:
        return count_in(value)
    links: int = await api.offload(count_in, value)
    return links
