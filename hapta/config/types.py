"""Types of keys, bounds included."""

from typing import Annotated, Any, TypeAlias

from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65_535)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
SecondsOrNone = Annotated[float, Meta(ge=0, le=86_400)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Bytes = Annotated[int, Meta(ge=1, le=2**50)]
Workers = Annotated[int, Meta(ge=0, le=256)]
HeaderBytes = Annotated[int, Meta(ge=1024, le=2**20)]
NonEmpty = Annotated[str, Meta(min_length=1)]
FreeTable: TypeAlias = dict[str, Any]
"""A table whose keys are not Hapta's: plain TOML values."""
