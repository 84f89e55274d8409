"""Niches from text: the niches file, the text, the matcher."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasks.classification.classifier import load_classifier
from tasks.classification.niches import load_niches
from tasks.classification.text import normalise, text_of
from tasks.errors import UsageError
from tasks.records import Metadata
from tasks.settings import SAMPLE_NICHES, Classification

TITLES = {
    "Easy pasta recipe with garlic": "cooking",
    "10 minute ab workout at home, no equipment": "fitness",
    "Full face drugstore foundation review": "beauty",
    "Official gameplay trailer - Nintendo Switch": "gaming",
    "Acoustic cover of my favourite song (lyrics)": "music",
    "iPhone unboxing and first impressions": "tech",
    "Lakers vs. Celtics full game highlights": "sports",
    "my kitten meets the dog #catsoftiktok": "pets",
    "5 index funds for beginners, investing explained": "finance",
    "#GymTok #legDay": "fitness",
    "料理 レシピ": "cooking",
    "Уроки макияжа для начинающих": "beauty",
    "Receta de tortilla fácil 🍳": "cooking",
}


def niches_file(folder: Path, text: str) -> Path:
    path = folder / "niches.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(("title", "niche"), TITLES.items())
def test_plain_titles_find_their_niche(title: str, niche: str) -> None:
    [found] = load_classifier(Classification()).classify([Metadata(title=title)])
    assert found.niche == niche
    assert found.confidence is not None and 0.35 <= found.confidence <= 1


def test_without_evidence_there_is_no_guess() -> None:
    titles = [
        "",
        "   ",
        "video_123",
        "IMG 0042",
        "#fyp #viral",
        "😂😂😂",
        "https://example.com/cooking",
        "\u200b\u0000",
        "!!!",
    ]
    for found in load_classifier(Classification()).classify([Metadata(title=title) for title in titles]):
        assert (found.niche, found.confidence, found.runner_up) == (None, None, None)


def test_little_evidence_abstains_and_says_what_it_leaned_to() -> None:
    [found] = load_classifier(Classification(min_confidence=0.99)).classify([Metadata(title="Pasta")])
    assert found.niche is None
    assert found.runner_up == "cooking"
    assert found.confidence is not None and 0 < found.confidence < 0.99


def test_evidence_for_two_niches_is_less_certain_than_for_one() -> None:
    one, two = load_classifier(Classification(min_confidence=0)).classify(
        [Metadata(title="cooking recipe"), Metadata(title="cooking recipe football match")]
    )
    assert one.confidence is not None and two.confidence is not None
    assert one.confidence > two.confidence


def test_a_result_depends_neither_on_the_batch_nor_on_the_thread() -> None:
    videos = [
        Metadata(title=title, description="see https://a.b " * 50, tags=("howTo", "tips")) for title in TITLES
    ] * 3
    classifier = load_classifier(Classification())
    whole = classifier.classify(videos)
    assert whole == [classifier.classify([video])[0] for video in videos]
    with ThreadPoolExecutor(4) as pool:
        chunks = list(pool.map(classifier.classify, [videos[start : start + 7] for start in range(0, len(videos), 7)]))
    assert whole == [niche for chunk in chunks for niche in chunk]
    assert classifier.classify([]) == []


def test_very_long_and_hostile_text_is_ordinary_input() -> None:
    long = Metadata(
        title="a" * 100_000, description="<script>alert(1)</script> recipe " * 1000, tags=("\ud800", "ﷺ" * 50)
    )
    [found] = load_classifier(Classification()).classify([long])
    assert found.runner_up is not None


def test_the_identity_follows_what_the_answer_depends_on(tmp_path: Path) -> None:
    text = "niches:\n  - {name: a, description: apples}\n  - {name: b, description: boats}\n"
    path = niches_file(tmp_path, text)
    settings = Classification(niches=str(path))
    before = load_classifier(settings).identity
    niches_file(tmp_path, f"# a comment\n{text}")
    assert load_classifier(settings).identity == before
    niches_file(tmp_path, text.replace("boats", "bicycles"))
    assert load_classifier(settings).identity != before
    assert load_classifier(Classification(min_confidence=0.5)).identity != load_classifier(Classification()).identity


def test_own_niches_in_any_language(tmp_path: Path) -> None:
    path = niches_file(
        tmp_path,
        "niches:\n"
        "  - {name: Angeln, description: Fische fangen am See, keywords: [Angeln, Hecht, '#angelnTok']}\n"
        "  - {name: ปลา, description: ทำอาหาร, keywords: [อาหารไทย]}\n",
    )
    found = load_classifier(Classification(niches=str(path))).classify(
        [Metadata(title="Hechte am Wehr, Angeln im Mai"), Metadata(title="สูตรอาหารไทยง่าย")]
    )
    assert [niche.niche for niche in found] == ["Angeln", "ปลา"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected a list of niches"),
        ("just words", "expected a list of niches"),
        ("niches: [{name: a, description: x}, {name: a, description: y}]", "a second niche 'a'"),
        ("niches: [{name: a, description: x}]", "at least two"),
        ("niches: []", "at least two"),
        ("niches:\n - {name: a, description: x}\n - {name: b}\n", "line 3: the niche 'b' has no description"),
        ("niches:\n - {name: a, description: x, keyword: [y]}\n", "line 2: unknown field 'keyword'"),
        ("niches:\n - name: a\n   description: x\n   keywords:\n    - #tag\n", "line 5: an entry of keywords is empty"),
        ("niches:\n - name: a\n   description: x\n   keywords: tag\n", "line 4: keywords must be a list"),
        ("niches:\n - name: unclassified\n   description: x\n", "reserved"),
        ("niches: [{name: a, description: [x}", "not valid YAML"),
        ("niches:\n - plain\n", "line 2: a niche is a mapping"),
        ("topics: []", "exactly one key"),
        ("- {name: '!!', description: x}", "no letter or digit"),
    ],
)
def test_a_bad_niches_file_is_one_clear_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = niches_file(tmp_path, text)
    with pytest.raises(UsageError, match="niches file") as caught:
        load_niches(path)
    assert complaint in caught.value.message
    assert str(path) in caught.value.message and "\n" not in caught.value.message


def test_a_niches_file_that_is_no_text_or_not_there(tmp_path: Path) -> None:
    binary = tmp_path / "n.yaml"
    binary.write_bytes(b"\xff\xfe\x00name")
    for path in (binary, tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(UsageError, match="niches file"):
            load_classifier(Classification(niches=str(path)))


def test_the_niches_that_come_with_reelscope_are_sound() -> None:
    niches = load_niches(SAMPLE_NICHES).niches
    assert 12 <= len(niches) <= 20
    assert all(niche.keywords and niche.examples for niche in niches)
    examples = [(niche.name, example) for niche in niches for example in niche.examples]
    found = load_classifier(Classification()).classify([Metadata(title=example) for _, example in examples])
    right = [niche.niche == name for niche, (name, _) in zip(found, examples, strict=True)]
    assert sum(right) >= 0.9 * len(examples)
    assert not [niche for niche, (name, _) in zip(found, examples, strict=True) if niche.niche not in (name, None)]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("#MealPrepSunday", "meal prep sunday mealprepsunday"),
        ("＃foo_bar", "foo bar foobar"),
        ("Café LET'S go", "cafe lets go"),
        ("𝓬𝓸𝓸𝓴", "cook"),
        ("👨‍🍳💪🏽", "man cooking flexed biceps"),
        ("朝ごはん easy", "朝 ご は ん easy"),
        ("हिन्दी", "हिन्दी"),
        ("see https://x.y/z?q=1 or www.a.b, me@c.de", "see or"),
        ("", ""),
    ],
)
def test_text_is_normalised(text: str, tokens: str) -> None:
    assert normalise(text) == tokens


def test_every_field_of_the_metadata_is_read() -> None:
    text = text_of(
        Metadata(title="One", description="Five", tags=("twoWords",), categories=("Three",), uploader="Four")
    )
    assert text.all == "one two words twowords three four five"
    assert text_of(Metadata(title="")).all == ""
