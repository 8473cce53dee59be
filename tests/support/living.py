"""Which objects of some packages are alive: what a leak test compares."""

from __future__ import annotations

import gc
from collections import Counter


def living(*packages: str) -> Counter[str]:
    """How many objects of each class of these packages exist, garbage not counted.

    Only their own classes: the interpreter's dicts, tuples and weak references come and
    go with every cache that fills, and say nothing.

    Args:
        packages: top-level names, e.g. "server", "aiortc".
    """
    for _ in range(3):  # finalizers make new garbage
        gc.collect()
    found: Counter[str] = Counter()
    for item in gc.get_objects():
        kind = type(item)
        module = kind.__module__
        if isinstance(module, str) and module.partition(".")[0] in packages:
            found[f"{module}.{kind.__qualname__}"] += 1
    return found
