"""What ``@request.auth`` operands say about who may share an answer.

For guests each of them is NULL. For the records of one auth collection an operand can only tell apart what it
reads: whether somebody is logged in, the collection, one scalar value, or else the record itself.
"""

from hapta.cache.findings import Findings
from hapta.cache.ground import Ground
from hapta.cache.lookup import Field, Way, is_multiple
from hapta.cache.plan import PartKind
from hapta.filters.paths import Modifier, Path
from hapta.model.schema import Collection

_SCALARS = frozenset(
    {"text", "number", "bool", "email", "url", "date", "autodate", "select", "relation", "file"}
)
_NEVER_TOLD = frozenset({"tokenKey", "password"})
"""PocketBase shows these to nobody, so no copy of the record has them."""
_OF_COLLECTION = frozenset({"collectionId", "collectionName"})


def _tells_one_value(way: Way, modifier: Modifier | None) -> Field | None:
    """The one scalar field of the caller's own record whose value is all the operand reads."""
    field = way.field
    if field is None or way.hops or way.is_within or modifier not in (None, Modifier.LOWER):
        return None
    if field["type"] not in _SCALARS or is_multiple(field) or field["name"] in _NEVER_TOLD | {"id"}:
        return None
    return field


def read_viewer(ground: Ground, audience: Collection | None, name: str, findings: Findings, why: str) -> None:
    """Add what a plugin's look at the caller makes an answer depend on.

    Args:
        audience: the caller's auth collection, ``None`` for guests.
        name: ``auth``, or ``auth.`` and ``id``, ``collectionId``, ``collectionName`` or a field.
    """
    _, point, field_name = name.partition(".")
    if audience is None:
        findings.add_part(PartKind.GUEST, f"guests by themselves: {why}")
    elif not point:
        findings.add_part(PartKind.ANY_AUTH, f"shared by all who are logged in: {why}")
    elif field_name == "id":
        findings.add_part(PartKind.AUTH_RECORD, f"own answers for each user: {why}")
    elif field_name in _OF_COLLECTION or (field := ground.lookup.field(audience, field_name)) is None:
        findings.add_part(PartKind.AUTH_COLLECTION, f"shared within {audience.name}: {why}")
    else:
        findings.reads_auth_record = True
        is_single = field["type"] in _SCALARS and not is_multiple(field) and field_name not in _NEVER_TOLD
        if is_single:
            findings.add_part(
                PartKind.AUTH_FIELD, f"shared by users with the same {field_name}: {why}", field_name
            )
        else:
            findings.add_part(PartKind.AUTH_RECORD, f"own answers for each user: {why}")


def read_auth(ground: Ground, audience: Collection | None, path: Path, findings: Findings, why: str) -> None:
    """Add what an ``@request.auth`` operand makes an answer depend on.

    Args:
        audience: the caller's auth collection, ``None`` for guests.
        path: the operand.
        why: where it stands, such as ``listRule of posts reads @request.auth.team``.

    Raises:
        CannotStore, PathError: it cannot be followed.
    """
    if audience is None:
        findings.add_part(PartKind.GUEST, f"guests by themselves: {why}")
        return
    if len(path.parts) == 1 and path.parts[0] in _OF_COLLECTION:
        findings.add_part(PartKind.AUTH_COLLECTION, f"shared within {audience.name}: {why}")
        return
    if path.parts == ("id",):
        findings.add_part(PartKind.AUTH_RECORD, f"own answers for each user: {why}")
        return
    way = ground.lookup.way(
        audience, path.parts, sees_hidden=True, is_lenient=True, has_modifier=path.modifier is not None
    )
    for hop in way.hops:
        ground.read_any(hop, findings, why)
    if way.field is None and not way.hops:
        findings.add_part(
            PartKind.AUTH_COLLECTION, f"shared within {audience.name}, which has no such field: {why}"
        )
        return
    findings.reads_auth_record = True
    field = _tells_one_value(way, path.modifier)
    if field is None:
        findings.add_part(PartKind.AUTH_RECORD, f"own answers for each user: {why}")
    else:
        findings.add_part(
            PartKind.AUTH_FIELD,
            f"shared by users of {audience.name} with the same {field['name']}: {why}",
            field["name"],
        )
