"""What PocketBase's own validation says to a body, told from the schema alone, where that is certain."""

from hapta.validation.checker import Checker, Checkers, compile_checker
from hapta.validation.refusal import Refusal, body
from hapta.validation.verdicts import Invalid

__all__ = ["Checker", "Checkers", "Invalid", "Refusal", "body", "compile_checker"]
