"""Text as strangers write it: many scripts, hashtags, emoji, links, nothing at all, ten thousand characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.classification.classifier import Classifier, load_classifier
from tasks.classification.labels import read_labels
from tasks.classification.text import DESCRIPTION_CHARS, FIELD_CHARS, normalise
from tasks.classification.training import train
from tasks.records import Metadata
from tasks.settings import Classification
from tests.test_train import labels_file, rows

WORDS = (
    *(
        "recipe",
        "hive honey",
        "RAISE the Mast",
        "#MealPrepSunday",
        "＃foo_bar",
        "#",
        "##",
        "#料理",
        "@someone",
        "ft.",
        "vs",
    ),
    *(
        "レシピ",
        "料理の作り方",
        "요리 레시피",
        "做饭",
        "рецепт борща",
        "طبخ سهل",
        "रेसिपी",
        "สูตรอาหาร",
        "μαγειρική",
        "מתכון קל",
        "công thức",
        "ẞßſ",
        "İstanbul",
    ),
    *("🍳", "👨‍👩‍👧‍👦", "👍🏽", "🇬🇧", "1️⃣", "☕️", "😂😂😂", "❤‍🔥"),
    *("https://example.com/a?b=c#d", "www.example.com", "HTTP://X", "a@b.c", "://", "www.", "http://" + "a" * 3000),
    *(
        "\u202etxet",
        "\u200b",
        "\u0000",
        "\x1b[31m",
        "\u2028",
        "Z̷̢a̸l̵g̶o̷",
        "ﷺ",
        "𝓬𝓸𝓸𝓴",
        "<script>alert(1)</script>",
        "=cmd()",
        "'; drop--",
        "%s{}",
        "\\",
        "'’'",
        "a'b",
    ),
)
pieces = st.one_of(st.sampled_from(WORDS), st.text(max_size=20), st.text("aÀ#@' \n\t_-1", max_size=20))
texts = st.lists(pieces, max_size=12).map(" ".join)
descriptions = st.one_of(texts, st.tuples(pieces, st.integers(1, 3000)).map(lambda pair: f"{pair[0]} " * pair[1])).map(
    lambda text: text[:10_000]
)
videos = st.builds(
    Metadata,
    title=texts,
    description=descriptions,
    tags=st.lists(pieces, max_size=6).map(tuple),
    categories=st.lists(pieces, max_size=2).map(tuple),
    uploader=st.one_of(st.none(), texts),
)
ordinary = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Classifier]]:
    """The matcher, and a model that was trained on text like this."""
    folder = tmp_path_factory.mktemp("adversarial")
    found = rows()
    for number, row in enumerate(found):
        row["title"] += f" {WORDS[number % len(WORDS)]}"
        row["description"] = WORDS[number * 7 % len(WORDS)] * 9
    path = str(folder / "niches.model")
    train(read_labels(labels_file(folder, found, "labels.parquet"), {}), 0.7).save(path)
    yield [load_classifier(Classification()), load_classifier(Classification(model=path))]


@ordinary
@given(st.lists(videos, min_size=1, max_size=4))
def test_whatever_it_says_a_video_gets_one_sound_answer(
    classifiers: Sequence[Classifier], said: list[Metadata]
) -> None:
    for classifier in classifiers:
        together = classifier.classify(said)
        assert together == [classifier.classify([video])[0] for video in said]
        for found in together:
            if found.confidence is None:
                assert (found.niche, found.runner_up) == (None, None)
                continue
            assert 0 <= found.confidence <= 1
            assert found.niche is not None or found.confidence < classifier.min_confidence
            assert found.niche != found.runner_up


@ordinary
@given(descriptions)
def test_what_is_left_of_a_text_are_plain_tokens(text: str) -> None:
    tokens = normalise(text, DESCRIPTION_CHARS)
    assert tokens == " ".join(tokens.split()) and tokens == tokens.casefold()
    assert not set(tokens) & set("#@<>'\"/:\\\0\x1b\u202e\u200b\u2028\n\t")
    # a ligature may be twenty letters, an emoji four words, a hashtag is there twice
    assert len(tokens) <= 40 * DESCRIPTION_CHARS
    assert normalise(text) == normalise(text[:FIELD_CHARS])


def test_nothing_in_every_field_is_no_answer_and_ten_thousand_characters_are_one(
    classifiers: Sequence[Classifier],
) -> None:
    nothing = [
        Metadata(title=title, tags=("", "#"), uploader="")
        for title in ("", " \n", "😂", "\u200b", "https://a.b/recipe")
    ]
    long = Metadata(title="Easy honey recipe", description="recipe hive honey wax pollen " * 350)
    for classifier in classifiers:
        assert {(found.niche, found.confidence) for found in classifier.classify(nothing)} == {(None, None)}
        assert classifier.classify([long])[0].confidence is not None


@pytest.mark.parametrize(
    "text", ["@" * 10_000, "a@" * 5000, "a" * 9999 + "@", "a@" + "b." * 4999, "#" * 9999, "www." * 2500]
)
def test_no_repetition_takes_for_ever(classifiers: Sequence[Classifier], text: str) -> None:
    """A pattern that may match in many ways tries them all: five thousand @ once took ten seconds a field."""
    for classifier in classifiers:
        classifier.classify([Metadata(title=text, description=text, tags=(text,), uploader=text)])
