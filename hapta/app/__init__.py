"""The composition root: the one place that knows everybody."""

from hapta.app.gateway import Gateway, Outputs

__all__ = ["Gateway", "Outputs"]
