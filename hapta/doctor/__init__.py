"""``hapta doctor``: what is set up badly, and what to do about it."""

from hapta.doctor.examine import examine
from hapta.doctor.finding import Finding, Level

__all__ = ["Finding", "Level", "examine"]
