"""Sessions: their keys, their tokens, and which generation of a token still counts. No I/O, no clock of its
own."""
