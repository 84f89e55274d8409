"""Sentence embeddings: the folder they come from, niches matched and learned by meaning, hooks in clusters."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from flows.cli import app
from tasks.analysis.templates import gathered
from tasks.analysis.vectors import known_numbers, template_vectors
from tasks.classification import embeddings as module
from tasks.classification.classifier import load_classifier
from tasks.classification.embeddings import load_embeddings, said_of
from tasks.classification.labels import read_labels
from tasks.classification.model import NicheModel
from tasks.classification.training import train
from tasks.errors import UsageError
from tasks.records import Metadata
from tasks.schemas import TABLES
from tasks.settings import Analysis, Classification
from tests import sentences
from tests.populations import KINDS, population
from tests.sentences import WORDS
from tests.test_train import BEES, labels_file, rows

pytest.importorskip("sentence_transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield sentences.make(tmp_path_factory.mktemp("sentences"))


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield sentences.make(tmp_path_factory.mktemp("others"), seed=1)


def test_a_text_alone_means_what_it_means_in_company(folder: str) -> None:
    loaded = load_embeddings(folder)
    texts = ["honey", "", "  ", "a rope and a knot " * 50, "养蜂", "🐝", "honey", "sail " * 5000]
    together = loaded.of(texts)
    assert together.shape == (8, 16) and together.dtype == np.float32
    np.testing.assert_array_equal(together[0], together[6])
    assert not together[1].any() and not together[2].any()
    np.testing.assert_allclose(np.linalg.norm(together[[0, 3, 4, 5, 7]], axis=1), 1, atol=1e-3)
    for row, text in zip(together, texts, strict=True):
        np.testing.assert_allclose(loaded.of([text])[0], row, atol=2e-4)
    assert loaded.of([]).shape == (0, 16)
    assert load_embeddings(folder) is loaded


def test_a_folder_that_cannot_be_used_is_one_clear_line(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(folder, tmp_path / name))

    cases = [(tmp_path / "absent", "no such folder"), (tmp_path, "no readable modules.json")]
    coded = copy("coded")
    modules = json.loads((coded / "modules.json").read_text())
    modules[0]["type"] = "modeling_own.Own"
    (coded / "modules.json").write_text(json.dumps(modules))
    (coded / "modeling_own.py").write_text("raise SystemExit('this ran')")
    cases.append((coded, r"code of its own \(modeling_own.Own\)"))
    pickled = copy("pickled")
    for weights in pickled.rglob("*.safetensors"):
        weights.rename(weights.with_name("pytorch_model.bin"))
    cases.append((pickled, "no weights in"))
    broken = copy("broken")
    for weights in broken.rglob("*.safetensors"):
        weights.write_bytes(b"nothing")
    cases.append((broken, "cannot be loaded"))
    for path, complaint in cases:
        with pytest.raises(UsageError, match=complaint) as caught:
            load_embeddings(str(path))
        assert str(path) in caught.value.message and "\n" not in caught.value.message
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'reelscope\[embeddings\]'"):
        load_embeddings(folder)


def test_the_hash_follows_what_is_in_the_folder(folder: str, another: str, tmp_path: Path) -> None:
    first, second = load_embeddings(folder).id, load_embeddings(another).id
    assert first.name == second.name == "tiny" and first.hash != second.hash
    assert load_embeddings(shutil.copytree(folder, tmp_path / "copy")).id.hash == first.hash


def test_niches_are_matched_by_meaning(folder: str, tmp_path: Path) -> None:
    niches = tmp_path / "niches.yaml"
    niches.write_text(
        "niches:\n"
        "  - {name: bees, description: honey from the hive, examples: [wax and honey today]}\n"
        "  - {name: boats, description: mast and harbour, examples: [raise the sail]}\n"
    )
    settings = Classification(niches=str(niches), embeddings=folder, min_confidence=0)
    matcher, plain = load_classifier(settings), load_classifier(settings.model_copy(update={"embeddings": None}))
    assert matcher.identity != plain.identity
    videos = [Metadata(title=title) for title in ("wax and honey today", "raise the sail", "", "#fyp", "養蜂 boat")]
    found = matcher.classify(videos)
    assert [niche.niche for niche in found[:2]] == ["bees", "boats"]
    assert all((niche.niche, niche.confidence) == (None, None) for niche in found[2:4])
    assert found == [matcher.classify([video])[0] for video in videos]


def test_a_model_asks_for_the_embeddings_it_was_trained_with(folder: str, another: str, tmp_path: Path) -> None:
    labels, path = labels_file(tmp_path, rows()), str(tmp_path / "niches.model")
    told = CliRunner().invoke(app, ["train", labels, "--out", path, "--embeddings", folder, "--json"])
    assert told.exit_code == 0 and json.loads(told.stdout)["embeddings"]["name"] == "tiny"
    with pytest.raises(
        UsageError, match=r"trained with the embeddings tiny; .*--set classification\.embeddings=FOLDER"
    ):
        load_classifier(Classification(model=path))
    with pytest.raises(UsageError, match="trained with other embeddings"):
        load_classifier(Classification(model=path, embeddings=another))
    model = load_classifier(Classification(model=path, embeddings=folder))
    videos = [BEES, Metadata(title=""), Metadata(title="https://example.com"), Metadata(title="keel", tags=("rope",))]
    assert model.classify(videos)[0].niche == "bees"
    assert model.classify(videos) == [model.classify([video])[0] for video in videos]
    without = str(tmp_path / "plain.model")
    train(read_labels(labels, {}), 0.8).save(without)
    assert NicheModel.load(without, embeddings=folder).classify([BEES])[0].niche == "bees"  # it needs none


def hooked() -> pa.Table:
    """Templates of which every third has no hook."""
    made = population(dict.fromkeys(KINDS, 3))
    made["hook_text"] = [None if row % 3 == 0 else f"{WORDS[row % len(WORDS)]} {row}" for row in range(len(made))]
    made["hook_speech"] = None
    return pa.Table.from_pandas(made, schema=TABLES["templates"], preserve_index=False)


def test_what_hooks_mean_is_part_of_distances(folder: str) -> None:
    templates = hooked()
    loaded = load_embeddings(folder)
    plain, meant = gathered([templates]), gathered([templates], loaded)
    numbers = known_numbers(plain.numbers)
    before = template_vectors(plain, numbers, Analysis())
    after, heavy = (template_vectors(meant, numbers, Analysis(weight_meaning=weight)) for weight in (0.5, 1.0))
    size = len(before.names)
    assert len(after.names) == size + 16 and after.names[size] == "meaning_0"
    np.testing.assert_array_equal(after.matrix[:, :size], before.matrix)
    np.testing.assert_allclose(heavy.matrix[:, size:], 2 * after.matrix[:, size:], rtol=1e-5)
    lengths = np.linalg.norm(heavy.matrix[:, size:], axis=1)
    said = np.array([bool(text) for text in templates.sort_by("video_id")["hook_text"].to_pylist()])
    assert not lengths[~said].any() and (lengths[said] ** 2).mean() == pytest.approx(1, abs=1e-3)
    in_parts = gathered([templates.slice(start, 5) for start in range(0, len(templates), 5)], loaded)
    np.testing.assert_allclose(in_parts.meanings, meant.meanings, atol=2e-4)


def test_what_is_embedded_is_bounded_and_has_no_placeholder() -> None:
    video = Metadata(title="One", tags=("[none]", "two"), uploader="Three", description="four " * 9999)
    assert said_of(video).startswith("One. Three. two. four") and len(said_of(video)) <= module.TEXT_CHARS
    assert said_of(Metadata(title=" ")) == ""
