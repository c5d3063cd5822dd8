"""Who is counted together, as keys small enough to keep a million of them.

An address is an integer: IPv4 as it is; IPv6 by its /64 network, which is what one customer is given
(RFC 6177), as a negative one, so that the two never meet. Folding makes one key of a whole network: /24 of
IPv4, /48 of IPv6. Everything else (identities, sessions) is a text and folds into nothing.
"""

from hapta.model.address import Address

Key = int | str


def address_key(address: Address) -> int:
    """The key of a client's address."""
    number = int(address)
    return number if address.version == 4 else -1 - (number >> 64)


def fold(key: Key) -> Key:
    """The key of the network around an address; a text stays itself."""
    if isinstance(key, str):
        return key
    return key >> 8 if key >= 0 else -1 - ((-1 - key) >> 16)
