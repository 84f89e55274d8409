"""Pruning the result cache: by age, by size, nothing but entries, and beside those who use it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import fsspec
import pytest

from flows.cleaning import age_s, clean, size_bytes, to_prune
from tasks.cache import Entry, ResultCache, Stored
from tasks.errors import UsageError
from tasks.keys import digest
from tasks.records import Texts
from tests.conftest import Home

DAY_S = 86_400.0
TEXTS = Texts(engine="e", model="m", texts=(), frames=1, crops=2, crops_recognised=1)
ENTRY = Entry(stage="text", result=TEXTS.model_dump(mode="json"), wall_s=1.5, cpu_s=1.0)


def key(name: str, stage: str = "text") -> str:
    return f"{stage}-{digest(name)}"


def filled(folder: Path, *ages_d: float) -> ResultCache:
    """A cache with an entry per age; the entry of age 3 is called "3"."""
    cache = ResultCache(str(folder))
    for age_d in ages_d:
        cache.write(key(f"{age_d:g}"), ENTRY)
        (path,) = folder.rglob(digest(f"{age_d:g}"))
        os.utime(path, (time.time() - age_d * DAY_S,) * 2)
    return cache


def there(cache: ResultCache, *names: str) -> list[str]:
    return [name for name in names if cache.has(key(name))]


def test_a_census_counts_entries_per_stage_and_nothing_else(tmp_path: Path) -> None:
    cache = filled(tmp_path, 1, 40)
    cache.write(key("x", "speech"), ENTRY)
    results = tmp_path / "results"
    for stray in ("text/notes.txt", "text/ab/notes", f"text/zz/{digest('a')}", f"{digest('b')}", "hashes.sqlite"):
        (results / stray).parent.mkdir(parents=True, exist_ok=True)
        (results / stray).write_text("mine")
    (tmp_path / "hashes.sqlite").write_text("mine")
    census = clean(cache, None, None, dry_run=False)
    assert {stage: held.entries for stage, held in census.stages.items()} == {"text": 2, "speech": 1}
    assert census.total.size_bytes == 3 * len(ENTRY.model_dump_json())
    assert census.oldest_s == pytest.approx(time.time() - 40 * DAY_S, abs=60)
    assert clean(cache, 0.0, 0, dry_run=False).pruned.entries == 3
    assert sorted(path.read_text() for path in tmp_path.rglob("*") if path.is_file()) == ["mine"] * 6


def test_old_entries_go_and_a_dry_run_removes_none(tmp_path: Path) -> None:
    cache = filled(tmp_path, 1, 29, 31, 400)
    assert clean(cache, 30 * DAY_S, None, dry_run=True).pruned.entries == 2
    assert there(cache, "1", "29", "31", "400") == ["1", "29", "31", "400"]
    assert clean(cache, 30 * DAY_S, None, dry_run=False).pruned.entries == 2
    assert there(cache, "1", "29", "31", "400") == ["1", "29"]


def test_what_was_not_used_for_longest_goes_until_the_rest_is_small_enough(tmp_path: Path) -> None:
    cache, size = filled(tmp_path, 1, 2, 3, 4), len(ENTRY.model_dump_json())
    assert clean(cache, None, 4 * size, dry_run=False).pruned.entries == 0
    assert cache.read(key("4"), Texts) == ENTRY  # used: no longer the oldest
    assert clean(cache, None, 2 * size + 1, dry_run=False).pruned.entries == 2
    assert there(cache, "1", "2", "3", "4") == ["1", "4"]


def test_using_an_entry_leaves_the_time_it_was_written(tmp_path: Path) -> None:
    cache = filled(tmp_path, 5)
    (path,) = tmp_path.rglob(digest("5"))
    written_ns = path.stat().st_mtime_ns
    cache.read(key("5"), Texts)
    assert path.stat().st_mtime_ns == written_ns
    assert path.stat().st_atime == pytest.approx(time.time(), abs=60)


def test_age_and_size_together_and_what_killed_runs_left() -> None:
    def stored(name: str, days: float, finished: bool = True) -> Stored:
        return Stored(name, "text", 10, 100 * DAY_S - days * DAY_S, finished)

    found = [stored("a", 50), stored("b", 20), stored("c", 10), stored("d", 1)]
    left = [stored("old", 2, finished=False), stored("in hand", 0.1, finished=False)]

    def pruned(*bounds: float | None) -> list[str]:
        age, size = bounds
        return [item.path for item in to_prune(found + left, 100 * DAY_S, age, None if size is None else int(size))]

    assert pruned(30 * DAY_S, None) == ["old", "a"]
    assert pruned(None, 15) == ["old", "a", "b", "c"]
    assert pruned(30 * DAY_S, 25) == ["old", "a", "b"]
    assert pruned(None, 1000) == ["old"]


def test_an_entry_that_vanishes_is_a_miss_and_no_error(tmp_path: Path) -> None:
    cache = filled(tmp_path, 1)
    (stored,) = cache.stored()
    cache.remove(stored)
    cache.remove(stored)  # another has pruned it meanwhile
    assert cache.read(key("1"), Texts) is None
    cache.write(key("1"), ENTRY)
    assert cache.read(key("1"), Texts) == ENTRY


def test_a_remote_cache_is_counted_and_pruned() -> None:
    cache = ResultCache("memory://cleaning/deep")
    for name in ("a", "b"):
        cache.write(key(name), ENTRY)
    files = fsspec.filesystem("memory")
    files.pipe_file("/cleaning/deep/results/text/notes.txt", b"mine")
    assert clean(cache, 3600.0, None, dry_run=False).pruned.entries == 0
    census = clean(cache, None, 0, dry_run=False)
    assert (census.total.entries, census.pruned.entries) == (2, 2)
    assert there(cache, "a", "b") == []
    assert files.cat_file("/cleaning/deep/results/text/notes.txt") == b"mine"


@pytest.mark.parametrize(
    ("words", "seconds"), [("30d", 30 * DAY_S), ("12h", 43_200), (" 2 w", 14 * DAY_S), ("1.5min", 90), ("45S", 45)]
)
def test_ages(words: str, seconds: float) -> None:
    assert age_s(words) == seconds


def test_sizes() -> None:
    assert [size_bytes(words) for words in ("5GB", "500MiB", "1000")] == [5 * 10**9, 500 * 2**20, 1000]


@pytest.mark.parametrize("words", ["", "d", "30", "30 moons", "-1d"])
def test_what_is_no_age(words: str) -> None:
    with pytest.raises(UsageError, match="--older-than"):
        age_s(words)


@pytest.mark.parametrize("words", ["", "many", "-5GB", "5 cats"])
def test_what_is_no_size(words: str) -> None:
    with pytest.raises(UsageError, match="--max-size"):
        size_bytes(words)


def test_the_command(home: Home, tmp_path: Path) -> None:
    filled(tmp_path / "cache", 1, 40)
    at = ("--set", f"cache.dir={tmp_path / 'cache'}")
    told = home.reelscope("cache", *at, "--older-than", "30d", "--dry-run", "--json").figures
    assert (told["entries"], told["pruned"]["entries"], told["dry_run"]) == (2, 1, True)
    assert "removed: 1 entries" in home.reelscope("cache", *at, "--older-than", "30d").stdout
    assert home.reelscope("cache", *at, "--json").figures["entries"] == 1
    empty = home.reelscope("cache", "--set", f"cache.dir={tmp_path / 'none'}")
    assert (empty.code, "0 entries" in empty.stdout, (tmp_path / "none").exists()) == (0, True, False)
    for mistake in (("--max-size", "lots"), ("--set", "cache.dir=nonsense://x"), ("--set", f"cache.dir={__file__}")):
        wrong = home.reelscope("cache", *at, *mistake)
        assert (wrong.code, len(wrong.stderr.splitlines())) == (2, 1)
