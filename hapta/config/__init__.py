"""Configuration: what can be set (schema), where it is read from (load) and what must hold (check)."""

from hapta.config.cache_tables import CacheCollectionConfig, CacheConfig, CacheFilesConfig
from hapta.config.certificate import Certificate, UnusableCertificate, client_context
from hapta.config.errors import ConfigError, ConfigErrors
from hapta.config.load import Loaded, load
from hapta.config.plugin_tables import HooksConfig, UploadsCollectionConfig, UploadsConfig, WorkersConfig
from hapta.config.rates import Rate, parse_rate
from hapta.config.reload import Comparison, compare, looks_secret
from hapta.config.remote import check_secrets, require_secrets
from hapta.config.schema import (
    AdminConfig,
    Config,
    CorsConfig,
    FeedConfig,
    LimitConfig,
    LogConfig,
    LoginConfig,
    MetricsConfig,
    RateLimitConfig,
    ServerConfig,
    SessionsConfig,
    UpstreamConfig,
)
from hapta.config.secrets import SECRET_FIELDS, Secrets
from hapta.config.types import FreeTable

__all__ = [
    "SECRET_FIELDS",
    "AdminConfig",
    "CacheCollectionConfig",
    "CacheConfig",
    "CacheFilesConfig",
    "Certificate",
    "Comparison",
    "Config",
    "ConfigError",
    "ConfigErrors",
    "CorsConfig",
    "FeedConfig",
    "FreeTable",
    "HooksConfig",
    "LimitConfig",
    "Loaded",
    "LogConfig",
    "LoginConfig",
    "MetricsConfig",
    "Rate",
    "RateLimitConfig",
    "Secrets",
    "ServerConfig",
    "SessionsConfig",
    "UnusableCertificate",
    "UploadsCollectionConfig",
    "UploadsConfig",
    "UpstreamConfig",
    "WorkersConfig",
    "check_secrets",
    "client_context",
    "compare",
    "load",
    "looks_secret",
    "parse_rate",
    "require_secrets",
]
