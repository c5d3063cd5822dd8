"""What keeps a measurement from being made."""


class BenchError(Exception):
    """What is wrong and what to do; the command shows it and ends with exit code 2."""
