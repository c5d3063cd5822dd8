"""What is refused, and where."""


class FilterError(Exception):
    """PocketBase refuses this expression, or we are not sure how it reads it.

    Either way nothing may be planned by it: the request goes on to PocketBase as it is.

    Attributes:
        message: what is wrong.
        position: where, as an offset in characters.
    """

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(f"{message} (at {position})")
        self.message = message
        self.position = position


class TooDeep(FilterError):
    """Parentheses nested deeper than we follow; PocketBase itself has no such bound."""
