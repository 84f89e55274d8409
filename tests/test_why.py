"""`reelscope why`: which input changed, in words and as data; and an OUT that kept none of it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from flows.plan import Planned
from flows.why import Past, classification_verdict, extraction_verdicts, stage_changes
from tasks.keys import EXTRACTION_STAGES, recorded, stage_inputs, text_inputs
from tasks.records import Metadata, Video
from tasks.schemas import TABLES
from tasks.settings import Settings, load_settings
from tasks.tables import Tables, VideoRows
from tests.conftest import Home

NEVER = frozenset[str]()
MODELS = {"decode": "vad 1", "text": "rapid 1", "speech": "sphinx 1"}


def planned(content: str = "c" * 64, models: dict[str, str] = MODELS, **changed: str) -> tuple[Planned, Settings]:
    settings = load_settings(overrides={name.replace("__", "."): value for name, value in changed.items()})
    video = Video(video_id="v", uri="v.mp4", metadata=Metadata(title="T"), content_hash=content)
    return Planned(video, {s: stage_inputs(s, content, settings, models[s]) for s in EXTRACTION_STAGES}), settings


def past(**row: Any) -> Past:
    """What OUT keeps of a video that was extracted with the defaults."""
    before, settings = planned()
    known = {"video_id": "v", "status": "complete", "input_hash": before.input_hash, "content_hash": "c" * 64}
    return Past(known | {"inputs": recorded(before.inputs)} | row, True, {}, settings.model_dump(mode="json"))


def verdicts(before: Past, now: tuple[Planned, Settings], cached: frozenset[str] = NEVER) -> dict[str, tuple[str, str]]:
    made = extraction_verdicts(before, now[0], now[1].model_dump(mode="json"), cached, attempts=3)
    return {verdict.stage: (verdict.verdict, verdict.why) for verdict in made}


def test_a_changed_setting_is_named_with_both_values() -> None:
    told = verdicts(past(), planned(speech__maxhmmpf="1000"), frozenset({"decode", "text"}))
    assert told["speech"] == ("redone", "settings speech.maxhmmpf: 8000 -> 1000")
    assert told["template"] == ("redone", "follows speech")
    assert [told[stage][0] for stage in ("decode", "text")] == ["reused", "reused"]


def test_each_part_that_changed_is_named_where_it_matters() -> None:
    now = planned(content="d" * 64, models=MODELS | {"text": "easy 2"}, look__rate_hz="5")
    told = verdicts(past(), now)
    assert told["decode"] == ("redone", "content: cccccccccccc -> dddddddddddd; settings look.rate_hz: 4.0 -> 5.0")
    assert told["text"] == ("redone", "content: cccccccccccc -> dddddddddddd; model: rapid 1 -> easy 2")
    assert told["speech"] == ("redone", "content: cccccccccccc -> dddddddddddd")
    assert told["template"] == ("redone", "follows decode, text, speech")


def test_another_code_version_is_said_to_be_one() -> None:
    inputs = json.loads(past().row["inputs"])
    inputs["text"]["code"] = inputs["template"]["code"] = "0" * 32
    told = verdicts(past(inputs=json.dumps(inputs), input_hash="older"), planned())
    assert told["text"][1].startswith("code version: 000000000000 -> ")
    assert told["template"][1].startswith("code version: 000000000000 -> ")
    assert told["template"][1].endswith("; follows decode, text, speech")
    assert told["decode"] == ("redone", "nothing changed, but the cache has no result of it any more")


def test_what_is_unchanged_new_failed_or_left_alone() -> None:
    now, settings = planned()
    assert {verdict for verdict, _ in verdicts(past(), (now, settings)).values()} == {"reused"}
    assert {verdict for verdict, _ in verdicts(past(status="partial"), (now, settings)).values()} == {"redone"}
    new = verdicts(Past({}, False, {}, {}), (now, settings), frozenset({"decode"}))
    assert (new["decode"][0], new["text"][1]) == ("reused", "new: this OUT has no result of it")
    failure = {"input_hash": now.input_hash, "error_type": "DamagedMedia", "attempts": 1}
    failed = Past(past(status="failed").row, True, {"decode": failure}, {})
    assert verdicts(failed, (now, settings))["decode"][1] == "it failed: DamagedMedia, attempt 1"
    assert verdicts(failed, (now, settings))["speech"][1] == "it was not come to: decode failed"
    left = Past(failed.row, True, {"decode": failure | {"attempts": 3}}, {})
    assert {verdict for verdict, _ in verdicts(left, (now, settings)).values()} == {"left alone"}
    changed = planned(content="d" * 64)
    assert {verdict for verdict, _ in verdicts(left, changed).values()} == {"redone"}


def test_a_row_of_an_older_version_tells_what_it_can() -> None:
    old = past(inputs=None, input_hash="older")
    assert verdicts(old, planned())["text"][1].startswith("its row was written by a version that did not keep")
    (change,) = stage_changes(
        "speech", old, planned(speech__maxhmmpf="1000")[0], planned(speech__maxhmmpf="1000")[1].model_dump(mode="json")
    )
    assert (change.part, change.name, change.old, change.new) == ("settings", "speech.maxhmmpf", 8000, 1000)


def test_a_niche_follows_its_text_its_niches_and_the_confidence() -> None:
    def told(now: Metadata, niches: str = "n", confidence: float = 0.35, model: str = "m") -> str:
        then = text_inputs(Metadata(title="T"), "n", "m", 0.35)
        known = past(classified_hash="then", classified_inputs=then.model_dump_json(), title="T")
        return classification_verdict(known, "now", text_inputs(now, niches, model, confidence), now).why

    assert told(Metadata(title="U")) == "content title: T -> U"
    assert told(Metadata(title="T", tags=("a", "b"))).startswith("content tags: ")
    assert (
        told(Metadata(title="T"), confidence=0.5, model="m'") == "settings classification.min_confidence: 0.35 -> 0.5"
    )
    assert told(Metadata(title="T"), niches="o", model="m'") == "settings classification.niches: n -> o"
    assert told(Metadata(title="T"), model="m'") == "model: m -> m'"
    same = text_inputs(Metadata(title="T"), "n", "m", 0.3)
    reused = classification_verdict(past(classified_hash="same"), "same", same, Metadata(title="T"))
    assert reused.verdict == "reused"


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """An OUT whose tables lack the columns that were added since."""
    row = {"video_id": "v", "uri": "v.mp4", "status": "complete", "input_hash": "h"}
    Tables(str(tmp_path)).publish([VideoRows(row)])
    Tables(str(tmp_path)).record_run({"run_id": "r", "command": "run"})
    for name, added in (("videos", ["inputs", "classified_inputs"]), ("runs", ["forecast_s"])):
        for part in (tmp_path / name).glob("*.parquet"):
            table = parquet.read_table(part).drop_columns(added)
            sink = io.BytesIO()
            parquet.write_table(table.replace_schema_metadata(TABLES[name].metadata), sink)
            part.write_bytes(sink.getvalue())
    return tmp_path


def test_an_out_without_the_new_columns_reads_and_is_written_on(older: Path) -> None:
    tables = Tables(str(older))
    assert tables.read("videos", ["inputs"]).to_pylist() == [{"inputs": None}]
    assert tables.read("videos", ["video_id", "inputs"]).to_pylist() == [{"video_id": "v", "inputs": None}]
    assert tables.read("runs", ["run_id", "forecast_s"]).to_pylist() == [{"run_id": "r", "forecast_s": None}]
    tables.publish([VideoRows({"video_id": "w", "status": "complete", "inputs": "{}"})])
    assert tables.describe([{"video_id": "v", "classified_inputs": "{}"}])
    videos = {row["video_id"]: row for row in tables.read("videos").to_pylist()}
    assert (videos["v"]["inputs"], videos["v"]["classified_inputs"], videos["w"]["inputs"]) == (None, "{}", "{}")
    assert parquet.read_schema(older / "videos" / "part-00000.parquet").equals(TABLES["videos"])


def test_those_who_only_look_write_nothing(tmp_path: Path, older: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in older.rglob("*")}
    (older / "niches" / "part-00000.parquet").unlink()
    tables = Tables(str(older), read_only=True)
    assert tables.known()["v"]["input_hash"] == "h"
    assert isinstance(tables.read("niches"), pa.Table)
    before.pop(older / "niches" / "part-00000.parquet")
    before.pop(older / "niches")
    assert {path: path.stat().st_mtime_ns for path in older.rglob("*") if path in before} == before
    assert not list((older / "niches").iterdir())
    assert len(Tables(str(tmp_path / "nowhere"), read_only=True).read("videos")) == 0
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("why", "v"), "--out"),
        (("why", "v", "--out", "NOWHERE"), "reelscope run SOURCE"),
        (("why", "v", "--out", "OUT"), "no run here had a source"),
        (("why", "v", "--out", "OUT", "--source", "NOWHERE"), "no such file or folder"),
        (("why", "v", "--out", "OUT", "--source", "EMPTY"), "no longer in"),
        (("why", "w", "--out", "OUT", "--source", "EMPTY"), "know such a video"),
        (("plan", "NOWHERE", "--out", "OUT"), "no such file or folder"),
        (("plan", "EMPTY", "--out", "FILE"), "Not a directory"),
        (("plan", "EMPTY", "--out", "OUT", "--set", "cache.dir=FILE"), "cache"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    home: Home, older: Path, tmp_path_factory: pytest.TempPathFactory, arguments: tuple[str, ...], words: str
) -> None:
    base = tmp_path_factory.mktemp("mistakes")
    (base / "file").touch()
    (base / "empty").mkdir()
    named = {"OUT": older, "NOWHERE": base / "nowhere", "EMPTY": base / "empty", "FILE": base / "file"}
    ran = home.reelscope(*(named.get(item, item.replace("FILE", str(base / "file"))) for item in arguments))
    assert (ran.code, len(ran.stderr.splitlines())) == (2, 1), ran.stderr
    assert words in ran.stderr
