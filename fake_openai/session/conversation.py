"""The items of a session in order, and what is fresh since the last response."""

from fake_openai.session.items import Item
from fake_openai.wire.problem import ClientEventError, refused_value

ROOT = "root"


class Conversation:
    """An ordered list of items with unique ids.

    Args:
        max_items: beyond this the oldest items are forgotten.
        retained_audio_samples: beyond this the oldest items lose their audio.
    """

    def __init__(self, *, max_items: int, retained_audio_samples: int) -> None:
        self.id = ""
        """`conv_…`, given when the session starts."""
        self._items: dict[str, Item] = {}
        self._order: list[str] = []
        self._fresh: list[str] = []
        self._max_items = max_items
        self._retained = retained_audio_samples
        self.has_assistant_audio = False

    def __len__(self) -> int:
        return len(self._order)

    @property
    def items(self) -> list[Item]:
        """In order."""
        return [self._items[item_id] for item_id in self._order]

    @property
    def last_id(self) -> str | None:
        return self._order[-1] if self._order else None

    def get(self, item_id: str) -> Item | None:
        return self._items.get(item_id)

    def previous_id(self, item_id: str) -> str | None:
        """The id before this item's, None for the first."""
        index = self._order.index(item_id)
        return self._order[index - 1] if index else None

    def add(self, item: Item, after: str | None = None, *, fresh: bool = False) -> None:
        """Append an item, or put it first (`root`) or after another one.

        Args:
            fresh: the next response is about it.

        Raises:
            ClientEventError: the id is taken, or `after` does not exist.
        """
        if item.id in self._items:
            raise ClientEventError(
                f"Error adding item: an item with id '{item.id}' already exists.",
                code="item_create_duplicate_item_id",
                param="item.id",
            )
        index = self._index_after(after)
        self._items[item.id] = item
        self._order.insert(index, item.id)
        if fresh:
            self._fresh.append(item.id)
        self._forget_oldest(item.id)
        if item.audio:
            self.limit_audio()

    def remove(self, item_id: str) -> None:
        """Take an item out; it must exist."""
        del self._items[item_id]
        self._order.remove(item_id)
        if item_id in self._fresh:
            self._fresh.remove(item_id)

    def fresh(self) -> list[Item]:
        """Items since the last response, in the order they came."""
        return [self._items[item_id] for item_id in self._fresh]

    def mark_fresh(self, item_id: str) -> None:
        """The next response is about this item, too."""
        if item_id in self._items and item_id not in self._fresh:
            self._fresh.append(item_id)

    def take_fresh(self) -> list[Item]:
        """The same, and they are fresh no longer."""
        taken = self.fresh()
        self._fresh.clear()
        return taken

    def function_call(self, call_id: str) -> Item | None:
        """The call with this `call_id`."""
        for item in reversed(self.items):
            if item.kind == "function_call" and item.body.get("call_id") == call_id:
                return item
        return None

    def limit_audio(self) -> None:
        """Forget the oldest audio beyond what is retained."""
        kept = 0
        for item_id in reversed(self._order):
            item = self._items[item_id]
            kept += sum(item.heard_samples.values()) if item.audio else 0
            if kept > self._retained:
                item.audio.clear()

    def _index_after(self, after: str | None) -> int:
        if after is None:
            return len(self._order)
        if after == ROOT:
            return 0
        if after not in self._items:
            raise refused_value(
                "previous_item_id",
                f"Error adding item: the previous item with id '{after}' does not "
                "exist.",
            )
        return self._order.index(after) + 1

    def _forget_oldest(self, newest_id: str) -> None:
        """Never the newest, which may have been put first."""
        while len(self._order) > self._max_items:
            first, second = self._order[0], self._order[1]
            self.remove(second if first == newest_id else first)
