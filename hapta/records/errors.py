"""Why a body, or a value in it, is not taken."""

from hapta.model.errors import BadRequest


class UnreadableBody(BadRequest):
    """Not a body of a record write, or one that could be read in two ways; in PocketBase's words for the
    former (``apis/record_crud.go``, the error of ``BindBody`` is no API error)."""

    code, message = "unreadable_body", "Something went wrong while processing your request."


class UnsupportedType(UnreadableBody):
    """A body of another type than PocketBase reads (``tools/router/event.go`` ErrUnsupportedContentType)."""

    code, message = "unsupported_content_type", "Unsupported Content-Type."


class UnreadableBatch(BadRequest):
    """Not a batch, or one that could be read in two ways."""

    message = "Failed to read the submitted batch data."


class Unsure(Exception):
    """What PocketBase will make of a value is not known for certain."""
