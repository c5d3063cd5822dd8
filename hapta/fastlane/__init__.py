"""The fast lane: a hit that was told before is told again without a request being built.

It knows no rules of its own. What the full way answered is kept by request line, in a table of those who get
the same answer, and every header block in which such an answer was asked for is kept as its caller's. When
both come again, on a connection that is idle and whose parser stands between two messages, all that the
answer rests on is looked at (is the session alive, is the response in the store, fresh and unbroken, do feed
and schema hold, is there anything left of the limits) and the same bytes are written. In any doubt the bytes
go to the parser, and the full way decides.
"""
