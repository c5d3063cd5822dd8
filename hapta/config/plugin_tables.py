"""The tables of what an operator adds: plugins, workers, checks, uploads; see :mod:`hapta.config.schema`."""

from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec import field as msgspec_field

from hapta.config.types import Count, NonEmpty, Seconds, Workers


class HooksConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Plugins and the hooks they register. Their settings: [plugins.<name>]."""

    dir: NonEmpty = "plugins"
    """Folder of the plugins; relative to config.toml. It need not exist."""

    reload: bool = True
    """Plugins whose files change are loaded anew while Hapta runs; one that cannot be loaded leaves the
    version before it at work. false: only by SIGHUP or `hapta reload`."""

    guard_deadline_s: Seconds = 5.0
    """Seconds a hook that can stop something may take, before what it guards is stopped; hooks can have
    deadlines of their own."""

    watcher_deadline_s: Seconds = 30.0
    """Seconds a hook that only watches may take, before it is cancelled."""


class WorkersConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Processes for what would keep the gateway from answering: plugins' api.offload. They are started only
    when something needs them."""

    count: Workers = 0
    """Processes; 0: one less than this machine has cores, but at least one."""

    max_queue: Count = 256
    """Jobs waiting for a free process; one more is answered 503."""

    deadline_s: Seconds = 30.0
    """Seconds for a job that names no deadline of its own, its wait included; then its process is killed and
    replaced."""

    max_jobs: Count = 1000
    """Jobs after which a process is replaced by a new one, so that what libraries leak is given back."""

    max_rss_bytes: Annotated[int, Meta(ge=2**26, le=2**50)] = 512 * 1024 * 1024
    """Bytes of resident memory of its own, without what it shares with others, above which a process is
    replaced once its job is done."""

    max_result_bytes: Annotated[int, Meta(ge=1024, le=2**31)] = 64 * 1024 * 1024
    """Bytes of what a job may give back, and of what it may be given; more is an error of that job."""

    nice: Annotated[int, Meta(ge=0, le=19)] = 5
    """How far the processes stand back for the gateway where cores are short; 0: not at all, 19: as far as
    can be."""


class ValidationConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Checking of what clients write."""

    schema: bool = True
    """Creates that PocketBase surely refuses by the rules of the collection's fields are refused without
    asking it, in its words; false: it is asked."""


class UploadsCollectionConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is different for one collection, by its name or id; letter case does not matter."""

    is_enabled: bool = True
    """false: files for this collection are not looked at."""

    max_files: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """As in [uploads]; 0: the one of [uploads]."""

    max_file_bytes: Annotated[int, Meta(ge=0, le=2**50)] = 0
    """As in [uploads]; 0: the one of [uploads]."""

    types: tuple[str, ...] = ()
    """As in [uploads]; empty: those of [uploads]."""

    deny: tuple[str, ...] = ()
    """Types that are refused here besides those of [uploads]."""

    names: Literal["", "clean", "refuse", "keep"] = ""
    """As in [uploads]; empty: the one of [uploads]."""

    polyglots: Literal["", "refuse", "keep"] = ""
    """As in [uploads]; empty: the one of [uploads]."""

    svg: Literal["", "refuse", "keep"] = ""
    """As in [uploads]; empty: the one of [uploads]."""

    reencode: Literal["", "yes", "no"] = ""
    """Whether images are made anew here; empty: as [uploads] says."""


class UploadsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files in writes of records: what they really are, and whether they may be stored (docs/uploads.md). For
    single collections: [uploads.collections.<name>]."""

    is_enabled: bool = False
    """true: files are looked at before PocketBase sees any of them; false: only PocketBase looks."""

    max_files: Count = 100
    """Files in one write."""

    max_file_bytes: Annotated[int, Meta(ge=0, le=2**50)] = 0
    """Bytes of one file; 0: only the maxSize of PocketBase's field counts."""

    types: tuple[str, ...] = ()
    """Types that may be stored, such as ["image/*", "application/pdf"], by PocketBase's names for them;
    empty: all. It is the content that counts, not what a client calls it."""

    deny: tuple[str, ...] = ()
    """Types that may not be stored, even if types allows them."""

    names: Literal["clean", "refuse", "keep"] = "clean"
    """Names with path parts, control or bidirectional characters, reserved words or an extension that lies
    about the type: "clean" stores the file under a harmless name, "refuse" refuses it, "keep" lets it be."""

    polyglots: Literal["refuse", "keep"] = "refuse"
    """Images that are a page, a program, a document or an archive as well: "refuse" or "keep"."""

    svg: Literal["refuse", "keep"] = "keep"
    """SVG images, which may hold scripts: "refuse" or "keep". PocketBase serves them so that none runs."""

    image_max_pixels: Annotated[int, Meta(ge=0, le=2**40)] = 50_000_000
    """Pixels of one image, all frames of an animation together; 0: any number. Found without decoding."""

    image_max_frames: Annotated[int, Meta(ge=0, le=1_000_000)] = 500
    """Frames of one animation; 0: any number."""

    reencode: bool = False
    """true: PNG, JPEG, GIF, WebP, AVIF and BMP images are made anew from their pixels, without EXIF and
    whatever hides in them; images of other types are refused, but for SVG."""

    reencode_max_bytes: Annotated[int, Meta(ge=1024, le=2**32)] = 32 * 1024 * 1024
    """Bytes of the largest image that is made anew; a larger one is refused."""

    reencode_quality: Annotated[int, Meta(ge=1, le=100)] = 90
    """Quality of JPEG, WebP and AVIF images made anew."""

    collections: dict[str, UploadsCollectionConfig] = msgspec_field(default_factory=dict)
    """By name or id: [uploads.collections.<name>]."""
