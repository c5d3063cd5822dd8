"""The composition root: the one place that knows everybody."""

from hapta.app.gateway import Gateway
from hapta.app.reports import Outputs

__all__ = ["Gateway", "Outputs"]
