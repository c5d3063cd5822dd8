"""``hapta test``: proof, from outside and over HTTP, that a running installation works."""

from hapta.selftest.check import Check, Result, Status
from hapta.selftest.installation import Credentials, Installation, Setup
from hapta.selftest.suite import CHECKS, run_suite

__all__ = ["CHECKS", "Check", "Credentials", "Installation", "Result", "Setup", "Status", "run_suite"]
