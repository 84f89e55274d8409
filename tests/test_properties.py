"""Properties that hold whatever is given: manifests, sidecars, settings, the clock, tables."""

from __future__ import annotations

import csv
import io
import json
import math
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import example, given
from hypothesis import settings as trials
from hypothesis import strategies as st

from flows.plan import Planned
from flows.results import Results
from tasks.cache import ResultCache
from tasks.errors import UnreadableSource, UsageError
from tasks.extraction.decode import Frame, Media
from tasks.extraction.regions import Region, RegionCutter
from tasks.extraction.sampling import windows
from tasks.extraction.vad import BLOCK, SAMPLE_RATE
from tasks.extraction.windows import GAP, WINDOW, pack
from tasks.keys import EXTRACTION_STAGES, StageInputs
from tasks.parts import table_of
from tasks.records import Decoded, Metadata, OnScreenText, Segment, Speech, StageOutcome, Texts, Video
from tasks.schemas import NUMERIC_FEATURES, TABLES
from tasks.settings import Audio, Sampling, Settings, known_keys, load_settings
from tasks.sources.manifest import read_manifest
from tasks.sources.sidecar import parse_sidecar, text_of
from tasks.tables import Tables, VideoRows
from tasks.wording import shown
from tests.clips import write_clip

few, some = trials(max_examples=12), trials(max_examples=50)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
#: Texts without halves of characters, and without what a CSV reader takes for a line's end within quotes.
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=30)


# Manifests and sidecars


def manifest(folder: Path, suffix: str, rows: Sequence[dict[str, str]], columns: Sequence[str]) -> Path:
    path = folder / f"m{suffix}"
    if suffix == ".csv":
        written = io.StringIO(newline="")
        table = csv.DictWriter(written, columns, quoting=csv.QUOTE_ALL)
        table.writeheader()
        table.writerows(rows)
        path.write_bytes(written.getvalue().encode())
    elif suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        parquet.write_table(
            pa.Table.from_pylist(list(rows), pa.schema([(name, pa.string()) for name in columns])), path
        )
    return path


@some
@given(
    st.lists(
        st.fixed_dictionaries({"uri": words.filter(text_of), "title": words, "video_id": words, "other": words}),
        min_size=1,
        max_size=5,
    ),
    st.permutations(["uri", "title", "video_id", "other"]),
)
@example([{"uri": "NA", "title": "null", "video_id": "NaN", "other": "nan"}], ["uri", "title", "video_id", "other"])
def test_a_manifest_says_the_same_in_every_format(rows: list[dict[str, str]], columns: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        told = [
            list(read_manifest(str(manifest(Path(folder), suffix, rows, columns))))
            for suffix in (".csv", ".jsonl", ".parquet")
        ]
    assert told[0] == told[1] == told[2]
    assert [row.uri for row in told[0]] == [text_of(row["uri"]) for row in rows]
    for row, given_row in zip(told[0], rows, strict=True):
        assert row.video_id == text_of(given_row["video_id"])
        assert row.metadata.title
        if title := text_of(given_row["title"]):
            assert row.metadata.title == title


@some
@given(
    st.sampled_from([".csv", ".jsonl", ".parquet"]),
    st.binary(max_size=200),
    st.sampled_from([b"", b"uri,title\n", b'{"uri": "v.mp4"}\n', b"PAR1"]),
)
def test_any_bytes_are_a_manifest_or_are_refused_in_one_line(suffix: str, content: bytes, head: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"m{suffix}")
        path.write_bytes(head + content)
        try:
            rows = list(read_manifest(str(path)))
        except UsageError as error:
            assert "Traceback" not in error.message
        else:
            assert all(row.uri and row.metadata.title for row in rows)


@some
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["title", "tags", "view_count", "published_at", "video_id"]), anything),
        min_size=1,
        max_size=4,
    )
)
def test_values_of_any_type_cost_no_row(rows: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.jsonl")
        path.write_text("".join(json.dumps({**row, "uri": "v.mp4"}) + "\n" for row in rows))
        told = list(read_manifest(str(path)))
    assert len(told) == len(rows)
    for row in told:
        row.metadata.model_dump_json().encode()  # no half of a character is left


@some
@given(st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_sidecar_or_are_refused(content: bytes) -> None:
    try:
        video_id, metadata = parse_sidecar(content, len(content), "v.info.json", "v")
    except UnreadableSource as error:
        assert error.message.startswith("v.info.json: ")
    else:
        assert metadata.title
        assert video_id is None or video_id
        assert metadata.view_count is None or metadata.view_count >= 0


# Settings and lines


@some
@given(st.sampled_from(known_keys()), st.text(max_size=20) | st.integers() | st.floats())
def test_any_value_of_a_setting_is_taken_or_refused_by_its_name(key: str, value: Any) -> None:
    try:
        loaded = load_settings(overrides={key: value})
    except UsageError as error:
        assert key in error.message
    else:
        again = Settings.model_validate_json(loaded.model_dump_json())
        assert again == loaded or any(isinstance(number, float) and math.isnan(number) for number in [value])


@some
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_is_settings_or_is_refused(content: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "s.toml")
        path.write_text(content, newline="")
        try:
            assert isinstance(load_settings(path), Settings)
        except UsageError as error:
            assert "s.toml" in error.message or "setting" in error.message


@some
@given(st.text())
def test_any_text_is_one_printable_line(written: str) -> None:
    line = shown(written)
    line.encode()
    assert all(character.isprintable() or not character.isascii() for character in line)
    assert len(line.splitlines()) <= 1
    assert shown(line) == line


# The clock


@few
@given(st.floats(0, 20), st.lists(st.floats(0.01, 3), min_size=1, max_size=8))
def test_a_frame_is_shown_when_its_timestamp_says(start_s: float, gaps_s: list[float]) -> None:
    pts_s = [start_s + sum(gaps_s[:number]) for number in range(len(gaps_s) + 1)]
    image = np.zeros((32, 32, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = write_clip(Path(folder, "v.mp4"), [image] * len(pts_s), pts=pts_s, options={"preset": "ultrafast"})
        with Media(path, Settings().sources, Settings().decode) as media:
            times_s = [item.small.time_s for item in media if isinstance(item, Frame)]
            duration_s = media.duration_s
    assert times_s == pytest.approx([at_s - pts_s[0] for at_s in pts_s], abs=2e-4)
    assert duration_s >= times_s[-1]


@some
@given(st.none() | st.floats(0, 1e6), st.floats(0.1, 1000), st.floats(0.1, 100))
def test_windows_are_in_order_and_within_the_video(duration_s: float | None, over_s: float, window_s: float) -> None:
    found = windows(duration_s, Sampling(windows_over_s=over_s, window_s=window_s))
    assert all(span.start_s < span.end_s for span in found)
    assert all(left.end_s <= right.start_s for left, right in pairwise(found))
    assert found[0].start_s == 0


@some
@given(st.lists(st.floats(0, 1, width=32), max_size=300), st.floats(1.5, 30), st.floats(0, 1), st.floats(0, 2))
def test_regions_of_speech_are_in_order_bounded_and_within_the_track(
    probabilities: list[float], longest_s: float, pad_s: float, pause_s: float
) -> None:
    cutter = RegionCutter(Audio(max_region_s=longest_s, pad_s=pad_s, min_pause_s=pause_s), "v")
    track = np.arange(len(probabilities) * BLOCK, dtype=np.int64).astype(np.int16)
    cutter.push(track)
    regions = [*cutter.advance(np.array(probabilities, np.float32)), *cutter.finish()]
    for region in regions:
        start = round(region.start_s * SAMPLE_RATE)
        assert start >= 0
        assert len(region.pcm) <= longest_s * SAMPLE_RATE + BLOCK
        assert (region.pcm == track[start : start + len(region.pcm)]).all()  # what is heard is what was said then
    assert all(left.end_s <= right.start_s + 1e-6 for left, right in pairwise(regions))


@some
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, WINDOW), st.floats(0, 1000)), min_size=1, max_size=8),
    st.lists(st.tuples(st.floats(0, 30), st.floats(0, 30)), max_size=6),
)
def test_what_is_said_in_a_window_was_said_in_one_of_its_regions(
    given_regions: list[tuple[str, int, float]], segments: list[tuple[float, float]]
) -> None:
    regions = [Region(name, start_s, np.zeros(length, np.int16)) for name, length, start_s in given_regions]
    packed = pack(regions)
    assert sorted(piece.index for window in packed for piece in window.pieces) == list(range(len(regions)))
    for window in packed:
        assert window.length <= WINDOW
        assert all(right.offset - left.end == GAP for left, right in pairwise(window.pieces))
        for start_s, end_s in segments:
            place = window.place(min(start_s, end_s), max(start_s, end_s))
            region = regions[place.index]
            assert region.start_s - 1e-6 <= place.start_s <= place.end_s <= region.end_s + 1e-6


# Records and tables

shares, seconds = st.floats(0, 1), st.floats(0, 1e4)


def spans(most: int = 4) -> st.SearchStrategy[list[tuple[float, float]]]:
    return st.lists(st.tuples(seconds, seconds).map(lambda pair: (min(pair), max(pair))), max_size=most)


def span(pair: tuple[float, float], **more: Any) -> dict[str, Any]:
    return {"start_s": pair[0], "end_s": pair[1], **more}


@st.composite
def decodeds(draw: st.DrawFn) -> Decoded:
    """Anything that a cache may hold and that is valid."""
    points = draw(st.integers(0, 5))
    curve = st.lists(st.floats(-1e9, 1e9), min_size=points, max_size=points)
    visual = {
        name: draw(curve)
        for name in ("times_s", "brightness", "contrast", "saturation", "colourfulness", "sharpness", "motion")
    }
    sound = {
        **{"duration_s": draw(seconds), "loudness_db": draw(st.none() | st.floats(-200, 50))},
        **{"silence_share": draw(shares), "music_share": draw(shares), "loudness_curve_db": draw(curve)},
        "speech_regions": [span(pair) for pair in draw(spans())],
    }
    return Decoded.model_validate(
        {
            **{
                "duration_s": draw(st.floats(-1e9, 1e9)),
                "width": draw(st.integers(0, 2**52)),
                "height": draw(st.integers(0, 2**52)),
            },
            **{
                "fps": draw(st.none() | st.floats(0, 1e9)),
                "has_audio": draw(st.booleans()),
                "frames": draw(st.integers(0, 10**9)),
            },
            **{"damaged_frames": 0, "samples": 1, "visual": visual | {"dominant_colours": ["#000000"]}},
            "shots": [span(pair, transition=None) for pair in draw(spans())],
            "sound": draw(st.none() | st.just(sound)),
            "windows": [span(pair) for pair in draw(spans())],
            "pictures": [{"time_s": 0.0, "jpeg_base64": "/9j/4AAQ"}],
        }
    )


@trials(max_examples=25)
@given(decodeds(), spans(), spans(), words)
def test_whatever_is_valid_becomes_rows_that_a_table_holds(
    decoded: Decoded, texts: list[tuple[float, float]], said: list[tuple[float, float]], written: str
) -> None:
    box = {"x": 0.1, "y": 0.8, "width": 0.5, "height": 0.1}
    read = Texts(
        **{"engine": "e", "model": "m", "frames": 1, "crops": 1, "crops_recognised": 1},
        texts=tuple(OnScreenText.model_validate(span(pair, text=written, box=box, confidence=0.9)) for pair in texts),
    )
    heard = Speech(
        **{"engine": "e", "model": "m", "language": None, "audio_s": 1.0, "transcribed_s": 1.0},
        segments=tuple(Segment.model_validate(span(pair, text=written)) for pair in said),
    )
    given_outcomes = {
        stage: StageOutcome(stage=stage, result=result.model_dump(mode="json"), failure=None, wall_s=1.0, cpu_s=1.0)
        for stage, result in (("decode", decoded), ("text", read), ("speech", heard))
    }
    video = Video(video_id=written or "v", uri="v.mp4", metadata=Metadata(title=written), content_hash="c")
    inputs = StageInputs(content="c", settings="", code="", model="")
    planned = Planned(video, dict.fromkeys(EXTRACTION_STAGES, inputs))
    with tempfile.TemporaryDirectory() as folder:
        made = Results(ResultCache(folder), Tables(folder), "r")._rows(planned, given_outcomes)
    for name, rows in (("videos", [made.video]), ("shots", made.shots), ("texts", made.texts), ("speech", made.speech)):
        table_of(name, rows)
    if made.template is None:  # nonsense costs its video's rows and nothing else
        assert given_outcomes["template"].failure
        return
    (row,) = table_of("templates", [made.template]).to_pylist()
    values = [row[name] for name in NUMERIC_FEATURES if row.get(name) is not None]
    assert all(math.isfinite(value) for value in values)


@few
@given(
    st.lists(
        st.tuples(words.filter(bool), words, st.lists(words, max_size=3), st.integers(0, 2**62)),
        min_size=1,
        max_size=4,
        unique_by=lambda row: row[0],
    )
)
def test_what_is_published_is_read(rows: list[tuple[str, str, list[str], int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tables = Tables(folder)
        tables.publish(
            [
                VideoRows(
                    {"video_id": video_id, "title": title, "tags": tags, "view_count": views},
                    shots=[{"video_id": video_id, "shot": 0, "start_s": 0.0, "end_s": 1.5}],
                )
                for video_id, title, tags, views in rows
            ]
        )
        tables.publish([VideoRows({"video_id": rows[0][0], "title": "again"})])
        read = {row["video_id"]: row for row in Tables(folder, read_only=True).read("videos").to_pylist()}
        shots = tables.read("shots")["video_id"].to_pylist()
    assert {video_id: (row["tags"], row["view_count"]) for video_id, row in read.items()} == {
        video_id: (tags, views) for video_id, _, tags, views in rows
    }
    assert [read[video_id]["title"] for video_id, *_ in rows] == ["again", *(title for _, title, *_ in rows[1:])]
    assert sorted(shots) == sorted(video_id for video_id, *_ in rows[1:])
    assert set(read[rows[0][0]]) == set(TABLES["videos"].names)
