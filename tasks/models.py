"""Models, loaded once per process on first use and shared by all its threads."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar

Model = TypeVar("Model")


@dataclass
class _Place:
    lock: Lock = field(default_factory=Lock)
    loaded: bool = False
    model: Any = None


_places: dict[Hashable, _Place] = {}
_places_lock = Lock()


def shared_model(key: Hashable, load: Callable[[], Model]) -> Model:
    """The model of this key: `load()` on the first call, the same object ever after.

    Threads that ask for the same key while it loads wait for it; other keys load beside it. What `load` raises reaches
    the caller, and the next call tries again.
    """
    with _places_lock:
        place = _places.setdefault(key, _Place())
    with place.lock:
        if not place.loaded:
            place.model = load()
            place.loaded = True
        model: Model = place.model
        return model
