"""The command as users type it: a story of runs over one folder, bad usage, and Ctrl-C."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as parquet
import pytest

from benchmarks.quality import FLOORS, below
from tasks.evaluation import evaluate, read_truth
from tasks.schemas import TABLES
from tasks.tables import Tables
from tests.conftest import ROOT, SAMPLES, Home, Ran, copy_samples

THREE = ("cat-vs-cup", "night-city", "smash-burger")


@pytest.fixture(scope="module")
def story(home: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """One folder over several nights; each chapter is a run."""
    base = tmp_path_factory.mktemp("story")
    source, out = copy_samples(base / "videos", *THREE), base / "out"
    chapters: dict[str, Ran] = {}

    def run(chapter: str, *options: str) -> None:
        chapters[chapter] = home.reelscope("run", source, "--out", out, "--speech", "pocketsphinx", "--json", *options)
        chapters[chapter].tables = {name: pd.read_parquet(out / name) for name in TABLES}  # type: ignore[attr-defined]

    run("first")
    run("again", "--batch-size", "1")
    (source / "smash-burger.mp4").touch()
    (source / "night-city.mp4").rename(source / "renamed.mp4")
    (source / "night-city.info.json").rename(source / "renamed.info.json")
    run("touched and renamed")
    sidecar = source / "cat-vs-cup.info.json"
    told = json.loads(sidecar.read_text()) | {
        "title": "Easy chicken dinner recipe",
        "description": "",
        "tags": ["cooking"],
    }
    sidecar.write_text(json.dumps(told | {"categories": []}))
    run("sidecar edited")
    copy_samples(source, "leg-day")
    whole = (SAMPLES / "code-tip.mp4").read_bytes()
    (source / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    (source / "empty.mp4").touch()
    (source / "words.mp4").write_text("these are words\n" * 40)
    (source / "folder.mp4").mkdir()
    (source / "dangling.mp4").symlink_to("nowhere.mp4")
    run("one new and five bad", "--strict")
    shutil.copy(SAMPLES / "code-tip.mp4", source / "words.mp4")
    chapters["retry"] = home.reelscope(
        "retry", "--out", out, "--error", "NotAVideo", "--speech", "pocketsphinx", "--json"
    )
    chapters["retry nothing"] = home.reelscope("retry", "--out", out, "--stage", "template")
    chapters["out"] = Ran(0, str(out), "")
    return chapters


def test_a_first_run_ends_with_every_table_and_a_report(story: dict[str, Ran]) -> None:
    first = story["first"]
    assert first.code == 0, first.stderr
    assert (first.figures["done"], first.figures["reused"], first.figures["failed"]) == (3, 0, 0)
    assert Path(first.figures["report"]).is_file()
    tables = first.tables  # type: ignore[attr-defined]
    assert {name: list(table.columns) for name, table in tables.items()} == {n: s.names for n, s in TABLES.items()}
    assert sorted(tables["videos"]["status"]) == ["complete"] * 3
    assert len(tables["templates"]) == 3
    assert set(tables["templates"]["video_id"]) == set(tables["videos"]["video_id"])
    assert len(tables["shots"]) > 10
    assert len(tables["runs"]) == 1
    out = Path(story["out"].stdout)
    for row in tables["videos"].to_dict("records"):
        assert all((out / picture).is_file() for picture in row["pictures"])


def test_the_log_of_a_run_is_calm(story: dict[str, Ran]) -> None:
    lines = [line for line in story["first"].stderr.splitlines() if line.strip()]
    assert len(lines) <= 6, lines
    assert "Traceback" not in story["first"].stderr


def test_a_run_again_computes_nothing_whatever_the_batch_size(story: dict[str, Ran]) -> None:
    again = story["again"].figures
    assert (again["done"], again["reused"], again["failed"]) == (0, 3, 0)
    assert again["stage_seconds"] == {}
    assert again["cache_saved_s"] > 0


def test_touching_and_renaming_extract_nothing(story: dict[str, Ran]) -> None:
    after = story["touched and renamed"]
    assert after.figures["stage_seconds"] == {}
    assert after.figures["done"] == 0
    uris = set(after.tables["videos"]["uri"].map(lambda uri: Path(uri).name))  # type: ignore[attr-defined]
    assert {"cat-vs-cup.mp4", "smash-burger.mp4", "renamed.mp4"} <= uris


def test_an_edited_sidecar_is_classified_anew_and_not_extracted(story: dict[str, Ran]) -> None:
    after = story["sidecar edited"]
    assert after.figures["stage_seconds"] == {}
    assert after.figures["classified"] == 1
    videos = after.tables["videos"].set_index("title")  # type: ignore[attr-defined]
    assert videos.loc["Easy chicken dinner recipe", "niche"] == "cooking"
    templates = after.tables["templates"].set_index("video_id")  # type: ignore[attr-defined]
    assert templates.loc[videos.loc["Easy chicken dinner recipe", "video_id"], "niche"] == "cooking"
    assert after.figures["run_id"] in set(after.tables["clusters"]["last_seen_run"])  # type: ignore[attr-defined]


def test_one_new_video_is_extracted_and_bad_files_are_rows_with_advice(story: dict[str, Ran]) -> None:
    ran = story["one new and five bad"]
    assert ran.code == 1  # --strict
    figures = ran.figures
    assert (figures["done"], figures["reused"], figures["failed"]) == (1, 3, 5)
    failures = ran.tables["failures"].set_index("video_id")  # type: ignore[attr-defined]
    assert sorted(failures.index) == ["dangling", "empty", "folder", "truncated", "words"]
    assert dict(failures["error_type"]) == {
        "dangling": "UnreadableSource",
        "empty": "NotAVideo",
        "folder": "NotAVideo",
        "truncated": "DamagedMedia",
        "words": "NotAVideo",
    }
    assert all(advice for advice in failures["advice"])
    videos = ran.tables["videos"].set_index("video_id")  # type: ignore[attr-defined]
    assert videos.loc["words", "status"] == "failed"


def test_retry_does_only_what_failed(story: dict[str, Ran]) -> None:
    again = story["retry"]
    assert again.code == 0, again.stderr
    assert (again.figures["done"], again.figures["reused"], again.figures["failed"]) == (1, 0, 2)
    out = Path(story["out"].stdout)
    failures = pd.read_parquet(out / "failures").set_index("video_id")
    assert dict(failures["attempts"]) == {"dangling": 1, "empty": 2, "folder": 2, "truncated": 1}
    videos = pd.read_parquet(out / "videos").set_index("video_id")
    assert videos.loc["words", "status"] == "complete"
    assert len(videos) == 6
    nothing = story["retry nothing"]
    assert nothing.code == 2
    assert "no failure has stage 'template'" in nothing.stderr


def test_every_row_tells_its_engine_and_every_run_its_settings(story: dict[str, Ran]) -> None:
    tables = story["first"].tables  # type: ignore[attr-defined]
    assert set(tables["videos"]["text_engine"]) == {"rapidocr"}
    assert set(tables["texts"]["engine"]) == {"rapidocr"}
    assert set(tables["videos"]["run_id"]) == set(tables["runs"]["run_id"])
    assert '"engine":"pocketsphinx"' in tables["runs"]["settings"][0]


def test_evaluate_and_report_read_the_tables(story: dict[str, Ran], home: Home) -> None:
    out = story["out"].stdout
    judged = home.reelscope("evaluate", "--truth", SAMPLES / "truth.json", "--out", out, "--json")
    assert judged.code == 0, judged.stderr
    assert judged.figures["cut_f1_1_frame"] == 1.0
    report = Path(out) / "report" / "index.html"
    report.unlink()
    assert home.reelscope("report", out).code == 0
    assert report.is_file()


def test_the_questions_of_the_readme_are_answered_over_its_tables(story: dict[str, Ran]) -> None:
    out = Path(story["out"].stdout)
    asked = [sys.executable, ROOT / "data" / "questions.py", out]
    told = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout
    trends = pd.read_parquet(out / "trends").query("scope == 'niche'")
    there = trends[trends.run_id == trends.run_id.max()].cluster_id
    assert len(there) and all(cluster_id in told for cluster_id in there)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "nowhere", "--out", "OUT"), "nowhere: no such file or folder"),
        (("run", SAMPLES), "--out"),
        (("run", SAMPLES, "--out", "OUT", "--set", "text.enigne=x"), "'text.engine'"),
        (("run", SAMPLES, "--out", "OUT", "--workers", "many"), "--workers"),
        (("run", SAMPLES, "--out", SAMPLES / "truth.json"), "truth.json"),
        (("run", SAMPLES, "--out", "OUT", "--niches", "missing.yaml"), "missing.yaml"),
        (("run", SAMPLES, "--out", "OUT", "--ocr", "easyocr", "--set", "text.download=false"), "craft_mlt_25k.pth"),
        (("run", SAMPLES, "--out", "OUT", "--speech", "whisper", "--set", "speech.download=false"), "base.pt"),
        (("analyze", "OUT"), "reelscope run SOURCE"),
        (("evaluate", "--truth", "missing.json", "--out", "OUT"), "OUT"),
        (("dance",), "dance"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    home: Home, tmp_path: Path, arguments: tuple[str | Path, ...], words: str
) -> None:
    ran = home.reelscope(*(tmp_path / "out" if argument == "OUT" else argument for argument in arguments))
    assert ran.code == 2
    last = ran.stderr.strip().splitlines()[-1]
    assert last.startswith("reelscope: ")
    assert words.replace("OUT", str(tmp_path / "out")) in last
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["run", "classify", "extract", "analyze", "retry", "report", "evaluate", "doctor"])
def test_every_command_has_help_with_an_example(home: Home, command: str) -> None:
    ran = home.reelscope(command, "--help")
    assert ran.code == 0
    assert f"Example: reelscope {command}" in ran.stdout


def test_classify_opens_no_media(home: Home, tmp_path: Path) -> None:
    """The files are not even readable as videos."""
    source = copy_samples(tmp_path / "videos", *THREE)
    for path in source.glob("*.mp4"):
        path.write_bytes(b"not a video at all")
    ran = home.reelscope("classify", source, "--out", tmp_path / "out", "--json")
    assert ran.code == 0, ran.stderr
    videos = pd.read_parquet(tmp_path / "out" / "videos")
    assert list(videos["status"]) == ["classified"] * 3
    assert set(videos["niche"]) == {"comedy", "cooking", "travel"}
    assert (ran.figures["done"], ran.figures["reused"], ran.figures["failed"]) == (3, 0, 0)
    # a second time, with nothing to do; files that may not be read show that none is hashed or decoded either
    (source / "empty.mp4").touch()
    again = home.reelscope("classify", source, "--out", tmp_path / "out", "--json", "--strict")
    assert again.code == 1
    assert (again.figures["classified"], again.figures["failed"], again.figures["stage_seconds"]) == (0, 1, {})
    assert pd.read_parquet(tmp_path / "out" / "failures")["video_id"].tolist() == ["empty"]
    assert (again.figures["done"], again.figures["reused"]) == (0, 3)
    assert not list((home.folder / "cache").rglob("spool/*"))
    hashed = home.folder / "cache" / "reelscope" / "hashes.sqlite"
    assert not hashed.exists() or str(source) not in hashed.read_bytes().decode("latin-1")


def test_niches_set_by_hand_reach_the_tables(home: Home, tmp_path: Path) -> None:
    source, out, corrections = copy_samples(tmp_path / "videos", *THREE), tmp_path / "out", tmp_path / "by hand.csv"
    first = home.reelscope("classify", source, "--out", out)
    assert first.code == 0, first.stderr
    corrected, empty, untouched = pd.read_parquet(out / "videos").sort_values("niche")["video_id"]
    corrections.write_text(f"video_id,niche\n{corrected},boats\n{empty},\n")
    ran = home.reelscope("classify", source, "--out", out, "--corrections", corrections, "--json")
    assert (ran.figures["done"], ran.figures["reused"]) == (2, 1)
    videos = pd.read_parquet(out / "videos").set_index("video_id")
    assert videos.loc[corrected, ["niche", "niche_confidence"]].tolist() == ["boats", 1.0]
    assert pd.isna(videos.loc[empty, "niche"])
    assert videos.loc[untouched, "niche"] == "travel"


def test_an_empty_folder_gives_empty_tables(home: Home, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    ran = home.reelscope("run", tmp_path / "videos", "--out", tmp_path / "out", "--json")
    assert ran.code == 0, ran.stderr
    assert ran.figures["videos"] == 0
    for name, schema in TABLES.items():
        assert list(pd.read_parquet(tmp_path / "out" / name).columns) == schema.names
    assert (tmp_path / "out" / "report" / "index.html").is_file()


def test_doctor_says_what_is_there(home: Home) -> None:
    ran = home.reelscope("doctor")
    assert ran.code == 0, ran.stdout
    for what in ("decoder", "rapidocr", "easyocr", "whisper", "pocketsphinx", "GPU", "Prefect server", "cache"):
        assert what in ran.stdout
    assert "whisper.load_model" in ran.stdout


@pytest.fixture(scope="module")
def interrupted(home: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run over all samples, stopped by Ctrl-C when it had finished something, and the run after it."""
    base = tmp_path_factory.mktemp("interrupted")
    cache, out = base / "cache", base / "out"
    command = ("run", SAMPLES, "--out", out, "--set", f"cache.dir={cache}", "--speech", "pocketsphinx", "--json")
    process = home.start(*command, start_new_session=True)
    deadline = time.monotonic() + 240
    while not list(cache.glob("results/*/*/*")) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    time.sleep(2)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    for name in TABLES:
        for part in (out / name).glob("*.parquet"):
            parquet.read_table(part)
    finished = {path: path.stat().st_mtime_ns for path in cache.glob("results/*/*/*")}
    then = home.reelscope(*command)
    after = {path: path.stat().st_mtime_ns for path in finished}
    return {
        "code": process.returncode,
        "stderr": stderr,
        "finished": finished,
        "after": after,
        "then": then,
        "out": out,
    }


def test_ctrl_c_ends_a_run_and_the_next_goes_on(interrupted: dict[str, Any]) -> None:
    assert interrupted["code"] == 130
    assert "the same command goes on from there" in interrupted["stderr"]
    assert "Traceback" not in interrupted["stderr"]
    assert 0 < len(interrupted["finished"]) < 3 * 13
    assert interrupted["then"].code == 0, interrupted["then"].stderr
    assert interrupted["after"] == interrupted["finished"]  # nothing finished was computed again
    assert len(pd.read_parquet(interrupted["out"] / "templates")) == 13
    assert sorted(pd.read_parquet(interrupted["out"] / "runs")["outcome"]) == ["completed", "interrupted"]


def test_the_samples_are_read_right(interrupted: dict[str, Any]) -> None:
    """Cuts to the frame, every caption with its zone and times, the speech gate, niches: the floors of `make quality`."""
    score = evaluate(Tables(str(interrupted["out"])), read_truth(SAMPLES / "truth.json"))
    figures = score.figures()
    wrong = {name: figures[name] for name, floor in FLOORS["samples"].items() if below(name, figures[name], floor)}
    assert not wrong, score.misses


def test_invariants_of_the_tables(interrupted: dict[str, Any]) -> None:
    """What anyone may rely on, for every row."""
    tables = {name: pd.read_parquet(interrupted["out"] / name) for name in TABLES}
    videos = tables["videos"].set_index("video_id")
    assert videos.index.is_unique
    for video_id, shots in tables["shots"].groupby("video_id"):
        shots = shots.sort_values("shot")
        assert shots["start_s"].iloc[0] == 0.0
        assert shots["end_s"].iloc[-1] == pytest.approx(videos.loc[video_id, "duration_s"])
        assert list(shots["start_s"].iloc[1:]) == list(shots["end_s"].iloc[:-1])
        assert shots["transition"].isna().tolist() == [True] + [False] * (len(shots) - 1)
    for name in ("texts", "speech"):
        rows = tables[name]
        assert (rows["start_s"] < rows["end_s"]).all()
        assert (rows["start_s"] >= 0).all()
        assert (rows["end_s"] <= rows["video_id"].map(videos["duration_s"]) + 0.5).all()
    texts = tables["texts"]
    for corner, size in (("x", "width"), ("y", "height")):
        assert (texts[corner] >= 0).all()
        assert (texts[corner] + texts[size] <= 1.0001).all()
    centre = texts["y"] + texts["height"] / 2
    assert (
        texts["zone"] == pd.cut(centre, [-1, 1 / 3, 2 / 3, 2], labels=["top", "middle", "bottom"], right=False)
    ).all()
    templates = tables["templates"]
    shares = [name for name in templates if name.endswith("_share")]
    assert templates[shares].dropna().apply(lambda column: column.between(0, 1)).all().all()
    assert set(templates["niche"]) <= set(tables["niches"]["niche"])
    assert templates["membership_reason"].notna().all()
