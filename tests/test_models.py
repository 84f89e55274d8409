"""Models are loaded once per process."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from tasks.models import shared_model


def test_sixteen_first_calls_at_once_load_once() -> None:
    loads = []
    together = Barrier(16)

    def load() -> object:
        loads.append(1)
        Event().wait(0.05)
        return object()

    def ask(_: int) -> object:
        together.wait()
        return shared_model("test: once", load)

    with ThreadPoolExecutor(16) as pool:
        models = set(pool.map(ask, range(16)))
    assert len(loads) == 1
    assert len(models) == 1


def test_another_key_loads_while_the_first_is_loading() -> None:
    inside, other_done = Event(), Event()

    def slow() -> str:
        inside.set()
        assert other_done.wait(5), "the second key waited for the first"
        return "slow"

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(shared_model, "test: slow", slow)
        assert inside.wait(5)
        assert shared_model("test: fast", lambda: "fast") == "fast"
        other_done.set()
        assert first.result(5) == "slow"


def test_none_is_a_model_and_a_failure_is_not() -> None:
    with pytest.raises(OSError, match="no weights"):
        shared_model("test: fails", _fail)
    assert shared_model("test: fails", lambda: None) is None
    assert shared_model("test: fails", _fail) is None


def _fail() -> None:
    raise OSError("no weights")
