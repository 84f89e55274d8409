"""Niche models judged on channels they have not seen, beside the plain baseline in the same folds, and their speed.

    python -m benchmarks.niches LABELS.csv [--embeddings FOLDER]        writes benchmarks/NICHES.md

Three ways of keeping channels apart: at random; those that name another country or language than the labels' own, as a
country other than that of training would; and by what they talk about, which is harder than any country.

The plain baseline is what people write first: TF-IDF of the words and pairs of title, tags and channel in at least two
videos, and logistic regression (C = 10, balanced).
"""

from __future__ import annotations

import argparse
import hashlib
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from tasks.classification.classifier import Classifier, load_classifier
from tasks.classification.embeddings import Embeddings, load_embeddings
from tasks.classification.features import read
from tasks.classification.labels import Labelled, read_labels
from tasks.classification.scores import Floats, Indices, Scores, scores_of, softmax
from tasks.classification.training import calibrated, fit, held_out, splits, train
from tasks.settings import Classification

SEEDS = (0, 1, 2)
#: Subjects that channels are sorted into, each tested by models that saw the others alone.
SUBJECTS = 12
#: What channels of other countries than the United States say of themselves.
ABROAD = re.compile(
    r"\b(bbc|itv|channel ?4|e4|sky (news|sports|tv|one|atlantic)|uk|u k|british|britains?|england|english|london|manchester|"
    r"liverpool|scotland|scottish|wales|welsh|ireland|irish|brit|premier league|arsenal|chelsea|tottenham|everton|mufc|lfc|"
    r"guardian|telegraph|daily mail|radio 1|capital fm|kiss fm|glastonbury|canada|canadian|toronto|vancouver|cbc|ctv|india|"
    r"indian|hindi|bollywood|punjabi|tamil|telugu|pakistan|bangladesh|nepal|australian?|sydney|melbourne|new zealand|korean?|"
    r"kpop|k pop|japan|japanese|anime|tokyo|china|chinese|germany|german|france|french|spain|spanish|italy|italian|russian?|"
    r"mexico|mexican|brazil|latino|africa|nigeria|dubai|europe|european|sweden|norway)\b"
)
ROWS = 100_000
PAGE = Path(__file__).with_name("NICHES.md")


def plain(seen: Sequence[str], truth: Indices, unseen: Sequence[str]) -> tuple[Floats, Indices]:
    """Probabilities of the baseline, and the classes they are of."""
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)
    classifier = LogisticRegression(C=10, max_iter=1000, class_weight="balanced").fit(words.fit_transform(seen), truth)
    return classifier.predict_proba(words.transform(unseen)), classifier.classes_


Split = tuple[Indices, Indices]  # rows to train on, rows to test on


class Judged:
    """The labelled videos as arrays."""

    def __init__(self, videos: Sequence[Labelled], embeddings: Embeddings | None = None) -> None:
        self.videos = videos
        self.niches, self.truth = np.unique([video.niche for video in videos], return_inverse=True)
        _, self.channels = np.unique([video.channel for video in videos], return_inverse=True)
        said = [video.metadata for video in videos]
        self.texts = read(said, embeddings=embeddings)
        self.raw = np.array(
            [f"{video.title} {' '.join(video.tags)} {video.uploader or ''} {video.description}" for video in said]
        )

    def baseline(self, seed: int) -> Scores:
        probabilities = np.zeros((len(self.truth), len(self.niches)))
        for seen, unseen in splits(self.truth, self.channels, seed):
            told, classes = plain(self.raw[seen], self.truth[seen], self.raw[unseen])
            probabilities[np.ix_(unseen, classes)] = told
        return scores_of(self.truth, probabilities)

    def ours(self, seed: int) -> Scores:
        logits, folds = held_out(self.texts, self.truth, self.channels, len(self.niches), seed)
        return scores_of(self.truth, calibrated(self.truth, logits, folds))

    def abroad(self) -> list[Split]:
        """Channels of which at least half of the videos name another country, tested by a model of all others."""
        signs = np.array([bool(ABROAD.search(text)) for text in self.texts.whole])
        share = np.bincount(self.channels, signs) / np.bincount(self.channels)
        away = (share >= 0.5)[self.channels]
        return [(np.flatnonzero(~away), np.flatnonzero(away))]

    def subjects(self) -> list[Split]:
        """Channels in clusters by their words, each cluster tested by a model of all others."""
        whole = self.texts.whole
        documents = [
            " ".join(whole[row] for row in np.flatnonzero(self.channels == at)) for at in range(max(self.channels) + 1)
        ]
        words = TfidfVectorizer(sublinear_tf=True, min_df=3, stop_words="english").fit_transform(documents)
        points = TruncatedSVD(50, random_state=0).fit_transform(words)
        subject = KMeans(SUBJECTS, n_init=3, random_state=0).fit_predict(points)[self.channels]
        return [(np.flatnonzero(subject != at), np.flatnonzero(subject == at)) for at in range(SUBJECTS)]

    def apart(self, folds: Sequence[Split]) -> tuple[int, Scores, Scores]:
        """Videos tested, and the scores of the baseline and of ours over all folds together."""
        rows, first, second = [], [], []
        for seen, unseen in folds:
            told, classes = plain(self.raw[seen], self.truth[seen], self.raw[unseen])
            theirs, ours = np.zeros((len(unseen), len(self.niches))), np.full((len(unseen), len(self.niches)), -np.inf)
            theirs[:, classes] = told
            features, guess = fit(self.texts.of(seen), self.truth[seen], self.channels[seen])
            ours[:, guess.classes] = guess.logits(features, self.texts.of(unseen))
            rows.append(unseen)
            first.append(theirs)
            second.append(softmax(ours, 1.0))
        truth = self.truth[np.concatenate(rows)]
        return len(truth), scores_of(truth, np.vstack(first)), scores_of(truth, np.vstack(second))

    def third(self) -> list[Split]:
        """Trained on two thirds of the channels, on which the first features were chosen; tested on the rest."""
        apart = np.array([int(hashlib.md5(v.channel[1:].encode()).hexdigest(), 16) % 10 < 3 for v in self.videos])
        return [(np.flatnonzero(~apart), np.flatnonzero(apart))]


def spread(scores: Sequence[Scores], value: Callable[[Scores], float]) -> str:
    values = [value(score) for score in scores]
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"


def seconds(classifier: Classifier, videos: Sequence[Labelled]) -> float:
    """CPU seconds for ROWS rows, in batches of the default size; the rows are cut and joined, so that few are alike."""
    random = np.random.default_rng(0)
    size = Classification().batch_size
    rows = []
    for first, second, third in random.integers(0, len(videos), (ROWS, 3)):
        one, two, three = (videos[index].metadata for index in (first, second, third))
        title = f"{one.title[: len(one.title) // 2]} {two.title[len(two.title) // 2 :]}"
        description = f"{three.title} https://example.com/{first} #{one.title[:9]} 😀 " + " ".join(two.tags)
        rows.append(one.model_copy(update={"title": title, "description": description, "uploader": three.uploader}))
    start = time.process_time()
    for begin in range(0, ROWS, size):
        classifier.classify(rows[begin : begin + size])
    return time.process_time() - start


def page(labels: str, folder: str | None) -> str:
    judged = Judged(read_labels(labels, {}))
    plains, ours = [judged.baseline(seed) for seed in SEEDS], [judged.ours(seed) for seed in SEEDS]
    splits_of = {
        "a third of the channels": Judged.third,
        "another country": Judged.abroad,
        "other subjects": Judged.subjects,
    }
    apart = {name: judged.apart(make(judged)) for name, make in splits_of.items()}
    meant = Judged(judged.videos, load_embeddings(folder)) if folder else None
    with_meaning = {name: meant.apart(make(meant))[2] for name, make in splits_of.items()} if meant else {}
    if meant:
        with_meaning["at random"] = meant.ours(0)
    model = train(judged.videos, 0.8)
    lines = [
        "# Niches",
        "",
        f"`python -m benchmarks.niches {Path(labels).name}`: {len(judged.videos)} videos of {judged.channels.max() + 1} "
        f"channels, {len(judged.niches)} niches; five folds, {len(SEEDS)} seeds (mean ± standard deviation), no channel on both",
        "sides, the same folds for both. Plain: TF-IDF of words and pairs, logistic regression. Macro-F1 is over the niches with",
        "at least 15 true videos; the temperature of each fold was found on the others.",
        "",
        "| | plain | reelscope train |",
        "|---|---|---|",
    ]
    measures: list[tuple[str, Callable[[Scores], float]]] = [
        ("macro-F1", lambda score: score.macro_f1),
        ("accuracy", lambda score: score.accuracy),
        ("expected calibration error", lambda score: score.calibration_error),
        *(
            (f"accuracy of the surest {share}", lambda score, share=share: score.coverage[share])
            for share in ours[0].coverage
        ),
    ]
    lines += [f"| {name} | {spread(plains, value)} | {spread(ours, value)} |" for name, value in measures]
    lines += [
        "",
        "Channels kept apart otherwise, since the videos that a model is used on come from elsewhere (macro-F1 / accuracy):",
        "",
        "| tested on | videos | plain | reelscope train |" + (" with embeddings |" if folder else ""),
        "|---|---|---|---|" + ("---|" if folder else ""),
    ]
    for name, (count, theirs, mine) in apart.items():
        cells = [str(count), *(f"{score.macro_f1:.3f} / {score.accuracy:.3f}" for score in (theirs, mine))]
        cells += [f"{with_meaning[name].macro_f1:.3f} / {with_meaning[name].accuracy:.3f}"] if folder else []
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        "Another country: channels that name a place, broadcaster or club outside the United States. Other subjects: channels in",
        f"{SUBJECTS} clusters by their words, each tested by a model of the rest. What is mixed with what (the forest, the weight of topics) was",
        "chosen on these three and the folds of seed 0, between settings that differ by about their noise; topics.yaml was written from",
        "general knowledge of many countries, before any error was looked at, after a glance at 25 of all rows.",
        "",
    ]
    if folder:
        random = with_meaning["at random"]
        lines += [
            f"With embeddings: `reelscope train --embeddings FOLDER`, here {Path(folder).name}; in the folds of seed 0 "
            f"{random.macro_f1:.3f} / {random.accuracy:.3f}, without {ours[0].macro_f1:.3f} / {ours[0].accuracy:.3f}.",
            "",
        ]
    lines += [
        f"For a precision of 0.8 the model abstains below {model.card.threshold:.2f}: {model.card.accepted:.0%} of the videos get a niche.",
        "",
        f"{ROWS:,} rows of title, tags, uploader and description, CPU seconds on one core: {seconds(model, judged.videos):.0f} by the model "
        f"(which reads what it was trained on: {', '.join(model.card.fields)}), "
        f"{seconds(load_classifier(Classification()), judged.videos):.0f} by the matcher that needs no labels.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", help="labelled file, as for reelscope train")
    parser.add_argument("--embeddings", help="folder of a sentence-transformers model, judged beside")
    given = parser.parse_args()
    PAGE.write_text(page(given.labels, given.embeddings))


if __name__ == "__main__":
    main()
