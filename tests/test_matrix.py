"""The cache matrix: for each change, which stages run, and that `why` and `plan` said so before.

Nights over one folder with one cache and one OUT. Each night is a session with real workers; the tasks of the flows are
called without a server, and what the workers gave is written down.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from flows.batches import batches
from flows.classification import classify_batch
from flows.cleaning import clean
from flows.enquiry import why
from flows.extraction import extract_batch, publish_batch
from flows.plan import Planned
from flows.preview import preview
from flows.results import Results
from flows.session import Session, use
from tasks.analysis import summary
from tasks.cache import ResultCache
from tasks.classification.labels import read_labels
from tasks.classification.training import train
from tasks.records import StageOutcome
from tasks.settings import SAMPLE_NICHES, Settings, load_settings
from tests.checkpoints import random_whisper
from tests.clips import write_clip
from tests.test_train import labels_file
from tests.test_train import rows as labelled_rows

EXTRACTION = ("decode", "text", "speech")
NOTHING: dict[str, set[str]] = {}


class Logged(Results):
    """Results that write down which stages of which video workers computed."""

    def __init__(self, run: Session) -> None:
        super().__init__(run.cache, run.tables, run.run_id)
        self.computed: dict[str, set[str]] = {}

    def keep(self, planned: Planned, outcomes: Sequence[StageOutcome]) -> None:
        super().keep(planned, outcomes)
        self.computed.setdefault(planned.video.video_id, set()).update(outcome.stage for outcome in outcomes)


@dataclass
class Night:
    """What one run did, and what was said of it before."""

    ran: dict[str, set[str]]  # video -> stages that a worker computed
    templates: set[str]  # videos whose rows were made again
    classified: set[str]
    analysed: bool
    foretold: dict[str, set[str]]  # video -> stages that `why` said would be redone
    why: dict[str, dict[str, str]]  # video -> stage -> in words
    planned: dict[str, int]  # stage -> videos, by `plan`


@dataclass
class Nights:
    base: Path
    values: dict[str, str] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        return self.base / "videos"

    @property
    def settings(self) -> Settings:
        fixed = {"cache.dir": str(self.base / "cache"), "text.engine": "rapidocr", "speech.engine": "pocketsphinx"}
        fixed |= {"pools.workers": "2", "pools.gpu": "off", "classification.niches": str(self.base / "niches.yaml")}
        return load_settings(overrides=fixed | self.values)

    def night(self, **changes: str) -> Night:
        self.values |= {name.replace("__", "."): value for name, value in changes.items()}
        source, out = str(self.source), str(self.base / "out")
        planned = preview(source, out, self.settings, None)["todo_by_stage"]
        told = {path.name: why(str(path), out, source, self.settings) for path in sorted(self.source.glob("*.mp4"))}
        stages = {video["video_id"]: {stage["stage"]: stage for stage in video["stages"]} for video in told.values()}
        with use(Session("run", source, out, self.settings)) as run:
            run.results = logged = Logged(run)
            idle = run.nothing_to_do()
            if idle:
                run.ledger.note_plan()
            else:
                carry_out(run)
            return Night(
                logged.computed,
                {item.video.video_id for item in run.plan.todo},
                set(run.niches.rows),
                not idle,
                {
                    video_id: redone
                    for video_id, video in stages.items()
                    if (redone := {name for name, stage in video.items() if stage["verdict"] == "redone"})
                },
                {video_id: {name: stage["why"] for name, stage in video.items()} for video_id, video in stages.items()},
                {stage: videos for stage, videos in planned.items() if videos},
            )


def carry_out(run: Session) -> None:
    """What the flows do, without a server."""
    for batch in batches([video.video_id for video in run.niches.wanting], run.settings.classification.batch_size):
        classify_batch.fn(batch)
    run.niches.publish()
    run.ledger.note_plan()
    for batch in batches([item.video.video_id for item in run.plan.todo], run.settings.pools.batch_size):
        extract_batch.fn(batch)
        publish_batch.fn(batch)
    summary.analyse(run.tables, run.before, run.settings.analysis, run.run_id, run.completeness())
    summary.report(run.tables)


def clip(path: Path, seed: int) -> None:
    """Two seconds of noise that changes after the first."""
    random = np.random.default_rng(seed)
    scenes = random.integers(0, 255, (2, 96, 128, 3), dtype=np.uint8)
    write_clip(path, [scenes[number // 10] for number in range(20)], fps=10, audio=np.zeros(32_000, np.int16))


def sidecar(source: Path, name: str, **told: object) -> None:
    (source / f"{name}.info.json").write_text(json.dumps({"id": f"id-{name}", "title": f"Title of {name}"} | told))


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Night]]:
    base = tmp_path_factory.mktemp("matrix")
    (base / "videos").mkdir()
    (base / "niches.yaml").write_text(SAMPLE_NICHES.read_text())
    source, told = base / "videos", Nights(base)
    for number, name in enumerate("ab"):
        clip(source / f"{name}.mp4", number)
        sidecar(source, name)
    clip(source / "c.mp4", 7)  # without a sidecar: its name is its id
    chapters: dict[str, Night] = {}

    def then(chapter: str, change: Callable[[], object] = lambda: None, **settings: str) -> None:
        change()
        chapters[chapter] = told.night(**settings)

    then("first")
    then("again")
    then("touched", lambda: [os.utime(path) for path in source.iterdir()])
    then("renamed", lambda: [path.rename(source / path.name.replace("a.", "z.")) for path in source.glob("a.*")])
    then("renamed without a sidecar", lambda: (source / "c.mp4").rename(source / "d.mp4"))
    then("sidecar's views", lambda: sidecar(source, "b", view_count=5))
    then("sidecar's title", lambda: sidecar(source, "b", title="Easy chicken dinner recipe"))
    niches = base / "niches.yaml"
    then("niches", lambda: niches.write_text(niches.read_text().replace("recipe", "dish")))
    then("confidence of niches", classification__min_confidence="0.5")
    then("irrelevant settings", pools__workers="1", pools__batch_size="1", text__batch_frames="2")
    labels = read_labels(labels_file(base, labelled_rows()), {})
    model, other_model, corrections = base / "niches.model", base / "other.model", base / "corrections.csv"
    then("niche model", lambda: train(labels, 0.8).save(str(model)), classification__model=str(model))
    then(
        "another niche model", lambda: train(labels, 0.7).save(str(other_model)), classification__model=str(other_model)
    )
    then("niches beside a model", lambda: niches.write_text(niches.read_text().replace("dish", "recipe")))
    corrections.write_text("video_id,niche\nid-b,boats\n")
    then("correction", classification__corrections=str(corrections))
    then("correction again", lambda: corrections.write_text("video_id,niche\nid-b,knots\nelsewhere,boats\n"))
    then("setting of analysis", analysis__min_videos="5")
    then("setting of pocketsphinx", speech__maxhmmpf="1000")
    whisper = {"speech__engine": "whisper", "speech__download": "false"}
    then("whisper", lambda: random_whisper(base / "one.pt"), **whisper, speech__model=str(base / "one.pt"))
    other = base / "other.pt"
    then("whisper's model", lambda: random_whisper(other, 51864), speech__model=str(other))
    then("back to pocketsphinx", speech__engine="pocketsphinx", speech__model="auto")
    then("setting of text", text__min_confidence="0.7")
    then("setting of the look", look__rate_hz="5")
    then("setting of sampling", sampling__max_gap_s="1.5")
    then("content", lambda: clip(source / "b.mp4", 99))
    results = base / "cache" / "results"

    def damage() -> None:
        for path in results.glob("decode/*/*"):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    then("a cache of truncated entries", damage)
    then("truncated entries that are needed", text__min_confidence="0.65")
    then("an empty cache", lambda: clean(ResultCache(told.settings.cache.dir), None, 0, dry_run=False))
    then("an empty cache that is needed", text__min_confidence="0.6")
    yield chapters


A, B, C, D = "id-a", "id-b", "c", "d"


def each(*stages: str) -> dict[str, set[str]]:
    """These stages of every video."""
    return {video: set(stages) for video in (A, B, D)}


#: Chapter -> which stages ran of which video, which rows were made, which videos were classified, was there an analysis.
MATRIX: dict[str, tuple[dict[str, set[str]], set[str], set[str], bool]] = {
    "first": ({video: set(EXTRACTION) for video in (A, B, C)}, {A, B, C}, {A, B, C}, True),
    "again": (NOTHING, set(), set(), False),
    "touched": (NOTHING, set(), set(), False),
    "renamed": (NOTHING, set(), set(), True),  # the report names files
    "renamed without a sidecar": (NOTHING, {D}, {D}, True),
    "sidecar's views": (NOTHING, set(), set(), True),
    "sidecar's title": (NOTHING, set(), {B}, True),
    "niches": (NOTHING, set(), {A, B, D}, True),
    "confidence of niches": (NOTHING, set(), {A, B, D}, True),
    "irrelevant settings": (NOTHING, set(), set(), False),
    "niche model": (NOTHING, set(), {A, B, D}, True),
    "another niche model": (NOTHING, set(), {A, B, D}, True),
    "niches beside a model": (NOTHING, set(), set(), False),
    "correction": (NOTHING, set(), {B}, True),
    "correction again": (NOTHING, set(), {B}, True),
    "setting of analysis": (NOTHING, set(), set(), True),
    "setting of pocketsphinx": (each("speech"), {A, B, D}, set(), True),
    "whisper": (each("speech"), {A, B, D}, set(), True),
    "whisper's model": (each("speech"), {A, B, D}, set(), True),
    "back to pocketsphinx": (NOTHING, {A, B, D}, set(), True),
    "setting of text": (each("text"), {A, B, D}, set(), True),
    "setting of the look": (each("decode"), {A, B, D}, set(), True),
    "setting of sampling": (each("decode", "text"), {A, B, D}, set(), True),
    "content": ({B: set(EXTRACTION)}, {B}, set(), True),
    "a cache of truncated entries": (NOTHING, set(), set(), False),
    "truncated entries that are needed": (each("decode", "text"), {A, B, D}, set(), True),
    "an empty cache": (NOTHING, set(), set(), False),
    "an empty cache that is needed": (each(*EXTRACTION), {A, B, D}, set(), True),
}


@pytest.mark.parametrize("chapter", MATRIX)
def test_what_a_change_redoes(nights: dict[str, Night], chapter: str) -> None:
    night = nights[chapter]
    assert (night.ran, night.templates, night.classified, night.analysed) == MATRIX[chapter]


@pytest.mark.parametrize("chapter", MATRIX)
def test_why_said_so_before(nights: dict[str, Night], chapter: str) -> None:
    ran, templates, classified, _ = MATRIX[chapter]
    expected = {video: set(stages) for video, stages in ran.items()}
    for stage, videos in (("template", templates), ("classification", classified)):
        for video in videos:
            expected.setdefault(video, set()).add(stage)
    assert nights[chapter].foretold == expected


@pytest.mark.parametrize("chapter", [chapter for chapter in MATRIX if chapter != "truncated entries that are needed"])
def test_plan_said_so_before(nights: dict[str, Night], chapter: str) -> None:
    """But for entries that are there and cannot be believed: it does not read them."""
    ran = MATRIX[chapter][0]
    counted = {stage: sum(stage in stages for stages in ran.values()) for stage in EXTRACTION}
    assert nights[chapter].planned == {stage: videos for stage, videos in counted.items() if videos}


@pytest.mark.parametrize(
    ("chapter", "video", "stage", "words"),
    [
        ("first", A, "decode", "new: this OUT has no result of it"),
        ("renamed without a sidecar", D, "speech", "the cache has its result for these inputs"),
        ("sidecar's title", B, "classification", "content title: Title of b -> Easy chicken"),
        ("niches", A, "classification", "settings classification.niches: "),
        ("confidence of niches", A, "classification", "settings classification.min_confidence: 0.35 -> 0.5"),
        ("niche model", A, "classification", "model: "),
        ("another niche model", A, "classification", "model: "),
        ("correction again", B, "classification", "model: correction: boats -> correction: knots"),
        ("setting of pocketsphinx", B, "speech", "settings speech.maxhmmpf: 8000 -> 1000"),
        ("setting of pocketsphinx", B, "template", "follows speech"),
        ("whisper", A, "speech", "model: "),
        ("whisper's model", A, "speech", "model: "),
        ("back to pocketsphinx", A, "speech", "the cache has its result for these inputs (since the rows were made: "),
        ("setting of text", A, "text", "settings text.min_confidence: 0.6 -> 0.7"),
        ("setting of sampling", D, "decode", "settings sampling.max_gap_s: 2.0 -> 1.5"),
        ("content", B, "decode", "content: "),
        ("content", A, "decode", "nothing changed; its rows stand in the tables"),
        ("truncated entries that are needed", A, "decode", "nothing changed, but the cache has no result of it"),
        ("an empty cache that is needed", A, "speech", "nothing changed, but the cache has no result of it any more"),
    ],
)
def test_why_named_what_changed(nights: dict[str, Night], chapter: str, video: str, stage: str, words: str) -> None:
    assert nights[chapter].why[video][stage].startswith(words)
