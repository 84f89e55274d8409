"""Niche models: the labelled file, training, the model file, corrections, and what a run makes of them."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.niches import Niches
from tasks.classification.classifier import load_classifier
from tasks.classification.corrections import read_corrections
from tasks.classification.forest import Forest
from tasks.classification.labels import data_hash, read_labels
from tasks.classification.model import CARD, NicheModel
from tasks.classification.scores import scores_of, softmax, temperature_of, threshold_of
from tasks.classification.training import splits, train
from tasks.errors import UsageError
from tasks.records import Metadata, Video
from tasks.settings import Classification
from tasks.sources.catalog import Catalog
from tasks.tables import Tables

SHARED = Path(__file__).resolve().parents[2] / "shared"
WORDS = {
    "boats": ["sail", "harbour", "mast", "keel", "anchor", "tide"],
    "bees": ["hive", "honey", "queen", "swarm", "wax", "pollen"],
    "knots": ["rope", "loop", "hitch", "splice", "bowline", "cord"],
}


def rows(videos: int = 20, seed: int = 0) -> list[dict[str, str]]:
    """Titles of two words of the niche and two of none; four videos a channel."""
    chance = random.Random(seed)
    found = []
    for niche, words in WORDS.items():
        for number in range(videos):
            said = [*chance.sample(words, 2), *chance.sample(["today", "again", "finally", "part two"], 2)]
            found.append(
                {
                    "video_id": f"{niche}-{number}",
                    "title": " ".join(said),
                    "tags": "|".join(said),
                    "channel": f"{niche} {number // 4}",
                    "niche": niche,
                }
            )
    return found


def labels_file(folder: Path, found: list[dict[str, str]], name: str = "labels.csv") -> str:
    path = folder / name
    table = pd.DataFrame(found)
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_parquet(path)
    return str(path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("model")
    path = folder / "niches.model"
    train(read_labels(labels_file(folder, rows()), {}), 0.8).save(str(path))
    yield str(path)


BEES = Metadata(title="Honey from our hive", tags=("honey", "hive"), uploader="Bees 77")
BOATS = Metadata(title="Raise the mast, anchor up #sail", tags=("mast", "anchor"), uploader="Boats 77")


def test_a_model_tells_its_niches_apart_and_says_what_it_is(model: str) -> None:
    loaded = NicheModel.load(model)
    found = loaded.classify([BEES, BOATS])
    assert [niche.niche for niche in found] == ["bees", "boats"]
    card = loaded.card
    assert card.niches == ("bees", "boats", "knots") and card.videos == dict.fromkeys(card.niches, 20)
    assert card.fields == ("title", "tags", "uploader") and card.channels == 15
    assert card.scores.accuracy > 0.9 and 0 < card.threshold < 1
    assert card.versions["scikit-learn"] and card.versions["skops"]
    with zipfile.ZipFile(model) as archive:  # anybody can read it
        assert json.loads(archive.read(CARD))["data_hash"] == card.data_hash
        assert not [name for name in archive.namelist() if name.endswith((".pkl", ".pickle"))]


def test_every_format_and_order_of_labels_is_the_same_training_set(tmp_path: Path) -> None:
    found = rows()
    first = read_labels(labels_file(tmp_path, found), {})
    for name in ("other.jsonl", "other.parquet"):
        assert data_hash(read_labels(labels_file(tmp_path, found[::-1], name), {})) == data_hash(first)
    renamed = [{"category": row["niche"], "uploader": row["channel"], **row} for row in found]
    for row in renamed:
        del row["niche"], row["channel"]
    assert data_hash(read_labels(labels_file(tmp_path, renamed, "renamed.csv"), {})) == data_hash(first)


def test_a_video_alone_is_classified_as_in_company(model: str) -> None:
    loaded = NicheModel.load(model)
    videos = [
        Metadata(title=""),
        Metadata(title="😀 #hive"),
        Metadata(title="ハチミツの作り方", tags=("honey", "[none]")),
        Metadata(title="https://example.com/honey"),
        Metadata(title="keel", description="rope " * 2000, uploader="BeesDaily"),
        *(Metadata(title=row["title"]) for row in rows(3, seed=5)),
    ]
    together = loaded.classify(videos)
    assert together == [loaded.classify([video])[0] for video in videos]
    assert loaded.classify([]) == []
    assert (together[0].niche, together[0].confidence, together[0].runner_up) == (None, None, None)


def test_below_the_threshold_it_abstains_and_names_what_it_would_have_said(model: str) -> None:
    [sure] = load_classifier(Classification(model=model)).classify([BEES])
    [unsure] = load_classifier(Classification(model=model, min_confidence=1)).classify([BEES])
    assert sure.niche == "bees"
    assert unsure.niche is None and unsure.confidence is not None and unsure.runner_up == "bees"


def test_no_channel_stands_on_both_sides(tmp_path: Path) -> None:
    videos = read_labels(labels_file(tmp_path, rows()), {})
    truth = np.unique([video.niche for video in videos], return_inverse=True)[1]
    channels = np.unique([video.channel for video in videos], return_inverse=True)[1]
    tested = []
    for seen, unseen in splits(truth, channels, seed=3):
        assert not set(channels[seen]) & set(channels[unseen])
        tested += unseen.tolist()
    assert sorted(tested) == list(range(len(videos)))


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        ([{"title": "a", "label": "b"}], "no column `niche` or `category`; it has label, title"),
        ([{"niche": "a", "channel": "b"}], "no column `title`, `description` or `tags`"),
        ([row for row in rows() if row["niche"] == "bees"], "only 'bees' among the labels"),
        ([{**row, "niche": ""} for row in rows()], "none among the labels"),
        ([*rows(), {**rows()[0], "niche": "rare"}], "'rare' has 1 of 1"),
        ([{**row, "channel": row["niche"]} for row in rows()], "at least 5 videos of 2 channels"),
        ([{**rows()[0], "niche": "unclassified"}], "row 1: 'unclassified' can be no niche's name"),
    ],
)
def test_labels_that_teach_nothing_are_refused_in_one_line(
    tmp_path: Path, found: list[dict[str, str]], complaint: str
) -> None:
    with pytest.raises(UsageError) as refused:
        read_labels(labels_file(tmp_path, found), {})
    assert complaint in refused.value.message and "\n" not in refused.value.message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("absent.csv", None),
        ("a.txt", b"x"),
        ("a.parquet", b"no"),
        ("a.jsonl", b"{"),
        ("a.csv", b"\xff\xfe\x00"),
        ("b.csv", b""),
    ],
)
def test_files_that_are_no_labels_are_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=r"^labels "):
        read_labels(str(tmp_path / name), {})


def altered(model: str, target: Path, **changes: object) -> str:
    """The same model with another card."""
    with zipfile.ZipFile(model) as archive, zipfile.ZipFile(target, "w") as copy:
        for name in archive.namelist():
            raw = archive.read(name)
            copy.writestr(name, json.dumps(json.loads(raw) | changes) if name == CARD else raw)
    return str(target)


def test_files_that_are_no_model_are_refused(model: str, tmp_path: Path) -> None:
    text, empty, cut = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    text.write_text("model")
    zipfile.ZipFile(empty, "w").close()
    cut.write_bytes(Path(model).read_bytes()[:-2000])
    for path in (text, empty, cut):
        with pytest.raises(UsageError, match="not a niche model"):
            NicheModel.load(str(path))
    with pytest.raises(UsageError, match="No such file"):
        NicheModel.load(str(tmp_path / "absent"))
    with pytest.raises(UsageError, match="of another version of reelscope"):
        NicheModel.load(altered(model, tmp_path / "d", format=1))
    versions = {"scikit-learn": "0.1.2"}
    with pytest.raises(UsageError, match=r"trained with scikit-learn 0\.1\.2, here is .*; train it again"):
        NicheModel.load(altered(model, tmp_path / "e", versions=versions))


def test_a_model_of_types_that_are_not_trusted_is_not_loaded(model: str, tmp_path: Path) -> None:
    from skops import io as skops

    with zipfile.ZipFile(model) as archive:
        card = archive.read(CARD)
    path = tmp_path / "strange"
    skops.dump({"features": Path("x"), "classifier": Metadata(title="")}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(CARD, card)
    with pytest.raises(UsageError, match="types that are not trusted"):
        NicheModel.load(str(path))
    skops.dump({"features": {}, "classifier": 1}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(CARD, card)
    with pytest.raises(UsageError, match="damaged"):
        NicheModel.load(str(path))


@pytest.mark.parametrize(
    ("field", "value"),
    [("left_child", 10**6), ("right_child", -7), ("left_child", 0), ("feature", 10**6), ("feature", -9)],
)
def test_a_forest_that_leads_out_of_itself_is_not_loaded(field: str, value: int) -> None:
    chance = np.random.default_rng(0)
    forest = Forest.fitted(chance.random((60, 4)), chance.integers(0, 3, 60), np.ones(60))
    state = forest.state()
    seen = chance.random((20, 4))
    np.testing.assert_allclose(Forest.restored(state).probabilities(seen), forest.probabilities(seen))
    assert np.allclose(forest.probabilities(seen).sum(axis=1), 1)
    bent = state["nodes"][field].copy()
    bent[0] = value
    with pytest.raises(ValueError, match="forest"):
        Forest.restored(state | {"nodes": state["nodes"] | {field: bent}})
    with pytest.raises(ValueError, match="sizes"):
        Forest.restored(state | {"sizes": state["sizes"] + 1})
    with pytest.raises(ValueError, match="features"):
        forest.probabilities(seen[:, :2])


def test_a_model_whose_arrays_do_not_fit_or_burst_is_not_loaded(model: str, tmp_path: Path) -> None:
    from skops import io as skops

    with zipfile.ZipFile(model) as archive:
        card = archive.read(CARD)
    content = Path(model).read_bytes()
    sound = skops.loads(content, trusted=[])
    unfit = {
        "rarity": {"rarity": sound["features"]["rarity"][:-1]},
        "subjects": {"subjects": 10**12},
        "said": {"said": sound["features"]["said"] + 10**9},
        "vocabulary": {"vocabulary": 7},
    }
    for name, change in unfit.items():
        path = tmp_path / name
        skops.dump(sound | {"features": sound["features"] | change}, path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(CARD, card)
        with pytest.raises(UsageError, match="damaged"):
            NicheModel.load(str(path))
    bomb = tmp_path / "bomb"
    bomb.write_bytes(content)
    with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros.npy", "w") as member:
        for _ in range(1100):
            member.write(bytes(1 << 20))
    assert bomb.stat().st_size < 4 * len(content) + 2_000_000
    with pytest.raises(UsageError, match="larger than 1024 MB; not loaded"):
        NicheModel.load(str(bomb))


def test_scores_on_cases_that_are_known() -> None:
    truth = np.repeat([0, 1], 50)
    certain = np.eye(2)[truth]
    assert scores_of(truth, certain).model_dump(exclude={"coverage"}) == {
        "macro_f1": 1.0,
        "accuracy": 1.0,
        "calibration_error": 0.0,
    }
    boasting = np.tile([1.0, 0.0], (100, 1))
    assert scores_of(truth, boasting).calibration_error == pytest.approx(0.5, abs=0.01)
    # logits three times too large: the temperature finds the three
    chance = np.random.default_rng(0)
    logits = chance.normal(0, 1.5, (20_000, 2))
    drawn = (chance.random(20_000) < softmax(logits, 1)[:, 1]).astype(np.int64)
    assert temperature_of(drawn, 3 * logits) == pytest.approx(3, rel=0.1)


def test_the_threshold_is_the_lowest_that_keeps_the_precision() -> None:
    sure = np.linspace(1, 0, 101)
    right = sure >= 0.5
    threshold = threshold_of(right, sure, 0.8)
    assert threshold_of(np.ones(101, dtype=bool), sure + 1, 0.8) == 0.8
    assert threshold is not None and right[sure >= threshold].mean() >= 0.8 > right[sure >= threshold - 0.011].mean()
    assert threshold_of(~right, sure, 0.99) is None


def test_an_unreachable_precision_is_refused_with_the_highest(tmp_path: Path) -> None:
    chance = random.Random(1)
    noise = [{**row, "title": "today again", "tags": "", "channel": str(number)} for number, row in enumerate(rows())]
    for row in noise:
        row["niche"] = chance.choice(list(WORDS))
    with pytest.raises(UsageError, match=r"--precision 0\.95: no confidence reaches it .* the highest is 0\."):
        train(read_labels(labels_file(tmp_path, noise), {}), 0.95)


def test_the_correction_file(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"

    def read(text: str) -> dict[str, str | None]:
        path.write_text(text)
        return read_corrections(str(path))

    assert read_corrections(None) == {}
    assert read("video_id,niche,by\na,bees,me\nb,,me\na,bees,you\n") == {"a": "bees", "b": None}
    for text, complaint in [
        ("id,niche\n", "no column 'video_id'"),
        ("video_id,niche\n,bees\n", "line 2: no video_id"),
        ("video_id,niche\na,bees\na,boats\n", "line 3: a is given two niches"),
        ("video_id,niche\na,bees\na,\n", "line 3: a is given two niches"),
        ("video_id,niche\na,None\n", "line 2: 'None' can be no niche's name"),
    ]:
        with pytest.raises(UsageError, match=complaint):
            read(text)
    with pytest.raises(UsageError, match="No such file"):
        read_corrections(str(tmp_path / "absent.csv"))


def test_corrections_replace_labels_and_bring_videos_of_an_out(tmp_path: Path) -> None:
    labels = labels_file(tmp_path, rows())
    others = [
        {"video_id": "new", "title": "wax", "uploader": "someone", "tags": None, "description": None},
        {"video_id": "bees-1", "title": "another title", "uploader": None, "tags": None, "description": None},
    ]
    corrections = {"bees-1": "boats", "bees-2": None, "new": "bees", "nowhere": "bees"}
    by_id = {video.video_id: video for video in read_labels(labels, corrections, others)}
    assert by_id["bees-1"].niche == "boats" and by_id["bees-1"].metadata.title != "another title"
    assert "bees-2" not in by_id and "nowhere" not in by_id
    assert (by_id["new"].niche, by_id["new"].metadata.title) == ("bees", "wax")


def video(video_id: str, title: str) -> Video:
    return Video(video_id=video_id, uri=video_id, metadata=Metadata(title=title))


def test_a_correction_redoes_its_video_alone_and_a_model_all_others(model: str, tmp_path: Path) -> None:
    catalog = Catalog("s", [video("a", "hive honey"), video("b", "rope loop"), video("c", "tide")])
    tables = Tables(str(tmp_path / "out"))
    path = tmp_path / "c.csv"

    def hashes(settings: Classification) -> dict[str, str]:
        found = Niches(catalog, tables, settings)
        return {item.video_id: found.hash_of(item) for item in catalog.videos}

    path.write_text("video_id,niche\na,boats\n")
    corrected = Classification(model=model, corrections=str(path))
    plain, first = hashes(Classification(model=model)), hashes(corrected)
    assert [name for name in first if first[name] != plain[name]] == ["a"]
    niches = Niches(catalog, tables, corrected)
    found = niches.classify(catalog.videos)
    assert (found[0].niche, found[0].confidence, found[0].runner_up) == ("boats", 1.0, None)
    assert niches.inputs_of(catalog.videos[0]).model == "correction: boats"
    path.write_text("video_id,niche\na,boats\nb,\n")
    second = hashes(corrected)
    assert [name for name in first if first[name] != second[name]] == ["b"]
    matched = hashes(Classification(corrections=str(path)))
    assert [name for name in second if second[name] != matched[name]] == ["c"]


def test_train_and_classify_from_the_command_line(tmp_path: Path) -> None:
    labels, model = labels_file(tmp_path, rows()), str(tmp_path / "niches.model")
    runner = CliRunner()
    told = runner.invoke(app, ["train", labels, "--out", model, "--json"], catch_exceptions=False)
    assert told.exit_code == 0 and json.loads(told.stdout)["precision"] == 0.8
    shown = runner.invoke(app, ["train", labels, "--out", model], catch_exceptions=False)
    assert "abstains below" in shown.stdout and "3 niches" in shown.stdout
    with pytest.raises(UsageError, match="its folder does not exist"):
        runner.invoke(app, ["train", labels, "--out", str(tmp_path / "no" / "m")], catch_exceptions=False)
    for command in ("run", "classify", "plan", "why", "retry"):
        options = runner.invoke(app, [command, "--help"], env={"COLUMNS": "200"}).stdout
        assert "--model" in options and "--corrections" in options


@pytest.mark.skipif(not (SHARED / "data" / "youtube_us_2017.csv").exists(), reason="../shared/data is absent")
def test_on_real_videos_of_unseen_channels() -> None:
    card = train(read_labels(str(SHARED / "data" / "youtube_us_2017.csv"), {}), 0.8).card
    assert card.scores.macro_f1 > 0.58 and card.scores.accuracy > 0.62
    assert card.scores.calibration_error < 0.06
    assert 0.4 < card.accepted < 0.8
