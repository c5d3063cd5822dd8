"""What every collection a read touches brings with it: its hooks, its tables if it is a view, or an end.

System collections end it: PocketBase writes them by ways of its own, and nobody outside reads them.
"""

from collections.abc import Callable

from hapta.cache.findings import CannotStore, Findings
from hapta.cache.lookup import Lookup
from hapta.cache.plan import HooksMode, Reason, Views
from hapta.cache.tags import all_rows, any_row
from hapta.model.schema import Collection


class Ground:
    """The collections of one schema, as a plan stands on them."""

    def __init__(self, lookup: Lookup, views: Views, hooks: Callable[[Collection], HooksMode]) -> None:
        self.lookup = lookup
        self._views = views
        self._hooks = hooks

    def enter(self, collection: Collection, findings: Findings, why: str) -> None:
        """The read touches rows of this collection, which it can name.

        Raises:
            CannotStore: it is a system collection, a view that cannot be followed, or one whose hooks may do
                anything.
        """
        if collection.is_system:
            raise CannotStore(Reason.COLLECTION, f"{collection.name} is a system collection ({why})")
        mode = self._hooks(collection)
        if mode is HooksMode.REQUEST:
            raise CannotStore(
                Reason.HOOKS,
                f"pb_hooks may shape answers with rows of {collection.name} by anything in a request",
            )
        findings.add_hooks(mode)
        if collection.is_view:
            self._enter_view(collection, findings)

    def read_any(self, collection: Collection, findings: Findings, why: str) -> None:
        """The read touches rows of this collection, nobody knows which.

        Raises:
            CannotStore: as :meth:`enter`.
        """
        self.enter(collection, findings, why)
        findings.add_tag(any_row(collection.id), f"any change in {collection.name}: {why}")

    def _enter_view(self, view: Collection, findings: Findings) -> None:
        reads = self._views.get(view.id)
        if reads is None:
            raise CannotStore(Reason.VIEW, f"the tables of the view {view.name} are not known")
        if reads.trouble:
            raise CannotStore(Reason.VIEW, f"view {view.name}: {reads.trouble}")
        for table_id in sorted(reads.collections):
            table = self.lookup.schema.by_id.get(table_id)
            if table is None:
                raise CannotStore(Reason.VIEW, f"the view {view.name} reads a collection that is not known")
            if table.is_system:
                raise CannotStore(Reason.COLLECTION, f"the view {view.name} reads {table.name}")
            findings.add_tag(any_row(table_id), f"any change in {table.name}: the view {view.name} reads it")
        why = f"whatever is done to the view {view.name}"
        findings.add_tag(any_row(view.id), why)
        findings.add_tag(all_rows(view.id), why)
