"""How many client connections are open, in all and by address, so that nobody takes them all."""

from hapta.model.address import Address, holder


class ConnectionTable:
    """Counts open connections against ``server.max_connections`` and ``…_per_address``."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._by_address: dict[int, int] = {}
        self.open = 0

    def configure(self, total: int, per_address: int) -> None:
        """Other bounds from now on; who is in stays."""
        self._total = total
        self._per_address = per_address

    def admit(self, address: Address, *, counts_by_address: bool) -> str | None:
        """Count a new connection.

        Args:
            address: the peer.
            counts_by_address: ``False`` for our own proxies, who bring everybody's connections.

        Returns:
            ``None`` if admitted (then :meth:`release` it), else which bound it breaks: ``total`` or
            ``address``.
        """
        if self.open >= self._total:
            return "total"
        if counts_by_address:
            key = holder(address)
            count = self._by_address.get(key, 0)
            if count >= self._per_address:
                return "address"
            self._by_address[key] = count + 1
        self.open += 1
        return None

    def release(self, address: Address, *, counts_by_address: bool) -> None:
        """A connection admitted with the same arguments is gone."""
        self.open -= 1
        if not counts_by_address:
            return
        key = holder(address)
        left = self._by_address[key] - 1
        if left:
            self._by_address[key] = left
        else:
            del self._by_address[key]
