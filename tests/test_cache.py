"""The result cache and the input hashes that are its keys."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks import keys
from tasks.cache import Entry, ResultCache
from tasks.errors import UnreadableSource
from tasks.keys import EXTRACTION_STAGES, code_digest, stage_inputs, text_hash
from tasks.records import Metadata, Speech, Texts
from tasks.settings import Settings, load_settings
from tasks.sources.content import ContentHashes

TEXTS = Texts(engine="e", model="é", texts=(), frames=1, crops=2, crops_recognised=1)
ENTRY = Entry(stage="text", result=TEXTS.model_dump(mode="json"), wall_s=1.5, cpu_s=1.0)
ILL_FITTING = ENTRY.model_copy(update={"result": {"texts": 3}}).model_dump_json().encode()


@pytest.mark.parametrize("location", ["folder", "memory://cache-test"])
def test_what_is_written_is_read(tmp_path: Path, location: str) -> None:
    cache = ResultCache(location if "://" in location else str(tmp_path / location))
    assert cache.read("text-abc", Texts) is None
    cache.write("text-abc", ENTRY)
    assert cache.read("text-abc", Texts) == ENTRY
    assert cache.read("speech-abc", Speech) is None


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"\x80\x04\x95garbage", b'{"stage": "text"}', b"[]", b"\xff\xfe", ILL_FITTING]
)
def test_a_damaged_entry_is_a_miss_and_is_written_again(tmp_path: Path, damage: bytes) -> None:
    cache = ResultCache(str(tmp_path))
    cache.write("text-abc", ENTRY)
    (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    path.write_bytes(damage)
    assert cache.read("text-abc", Texts) is None
    cache.write("text-abc", ENTRY)
    assert cache.read("text-abc", Texts) == ENTRY


def test_an_entry_that_names_a_serializer_runs_nothing(tmp_path: Path) -> None:
    """Prefect's result records may say `pickle`; such a file must be data to us."""
    import base64
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.system, (f"touch {tmp_path}/ran",))

    cache = ResultCache(str(tmp_path))
    cache.write("text-abc", ENTRY)
    (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    payload = base64.b64encode(pickle.dumps(Evil())).decode()
    path.write_text(f'{{"metadata": {{"serializer": {{"type": "pickle"}}}}, "result": "{payload}"}}')
    assert cache.read("text-abc", Texts) is None
    assert not (tmp_path / "ran").exists()


def keys_of(settings: Settings, content: str = "c", text_model: str = "m", speech_model: str = "w") -> dict[str, str]:
    models = {"decode": "", "text": text_model, "speech": speech_model}
    return {stage: stage_inputs(stage, content, settings, models[stage]).key(stage) for stage in EXTRACTION_STAGES}


def changed(**change: str) -> set[str]:
    """The stages whose key changes with a setting (section__key=value), the content or a model."""
    base, arguments = keys_of(Settings()), {name: change.pop(name) for name in list(change) if "__" not in name}
    settings = load_settings(overrides={name.replace("__", "."): value for name, value in change.items()})
    after = keys_of(settings, **arguments)
    return {stage for stage in EXTRACTION_STAGES if base[stage] != after[stage]}


def test_each_change_redoes_its_stages_and_no_others() -> None:
    assert changed() == set()
    assert changed(content="other") == {"decode", "text", "speech"}
    assert changed(text_model="other") == {"text"}
    assert changed(speech_model="other") == {"speech"}
    assert changed(text__min_confidence="0.7") == {"text"}
    assert changed(speech__maxhmmpf="1000") == {"speech"}
    assert changed(sampling__max_gap_s="3") == {"decode", "text"}
    assert changed(shots__content_threshold="30") == {"decode", "text"}
    assert changed(audio__pad_s="0.1") == {"decode", "speech"}
    assert changed(look__rate_hz="8") == {"decode"}
    for irrelevant in ("pools__workers", "pools__batch_size", "text__batch_frames", "analysis__max_clusters"):
        assert changed(**{irrelevant: "3"}) == set()


def test_classification_depends_on_text_niches_and_confidence_alone() -> None:
    base = text_hash(Metadata(title="T", view_count=1), "niches-1", 0.3)
    assert base == text_hash(Metadata(title="T", view_count=2), "niches-1", 0.3)
    assert base != text_hash(Metadata(title="U"), "niches-1", 0.3)
    assert base != text_hash(Metadata(title="T"), "niches-2", 0.3)
    assert base != text_hash(Metadata(title="T"), "niches-1", 0.4)


def test_code_counts_and_comments_do_not() -> None:
    assert keys._meaning("x = 1\n") == keys._meaning('"""Doc."""\n# why\nx = 1\n')
    assert keys._meaning("x = 1\n") != keys._meaning("x = 2\n")


def test_every_module_of_extraction_belongs_to_a_stage() -> None:
    """A module that no stage lists could change results and leave the old ones in use."""
    listed = {name for names in keys._CODE.values() for name in names}
    modules = {path.stem for path in (Path(keys.__file__).parent / "extraction").glob("*.py")} - {"__init__"}
    # they choose, fetch and carry; results name the model
    carriers = {"spool", "ocr", "fetching", "weights", "whisper_weights", "faster_weights"}
    assert {name for name in listed if not name.startswith("..")} | carriers == modules
    assert all(code_digest(stage) for stage in keys._CODE)


def test_content_is_hashed_once_and_known_by_path_size_and_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    hashes, counted = ContentHashes(tmp_path / "h.sqlite"), []
    real = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *a: counted.append(1) or real(*a))
    file = tmp_path / "v.mp4"
    file.write_bytes(b"content")
    first = hashes.of(file)
    assert hashes.of(file) == first
    assert len(counted) == 1
    os.utime(file, (1, 1))  # touched: hashed again, the same content
    assert hashes.of(file) == first
    (tmp_path / "copy.mp4").write_bytes(b"content")
    assert hashes.of(tmp_path / "copy.mp4") == first
    file.write_bytes(b"changed")
    assert hashes.of(file) != first
    (tmp_path / "h.sqlite").write_bytes(b"not a database" * 100)
    assert ContentHashes(tmp_path / "h.sqlite").of(tmp_path / "copy.mp4") == first
    with pytest.raises(UnreadableSource, match=r"gone\.mp4"):
        hashes.of(tmp_path / "gone.mp4")
