"""Templates as points."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from tasks.analysis import vectors as of
from tasks.analysis.templates import Reals, Templates, gathered
from tasks.analysis.vectors import CLIP, Vectors
from tasks.schemas import NUMERIC_FEATURES, TABLES
from tasks.settings import Analysis
from tests.populations import KINDS, frame, population, unknown

SETTINGS = Analysis()
COLUMN = {name: at for at, name in enumerate(NUMERIC_FEATURES)}


def gathered_of(templates: pd.DataFrame) -> Templates:
    return gathered([pa.Table.from_pandas(templates, schema=TABLES["templates"], preserve_index=False)])


def known_numbers(templates: pd.DataFrame) -> Reals:
    return of.known_numbers(gathered_of(templates).numbers)


def template_vectors(templates: pd.DataFrame, settings: Analysis) -> Vectors:
    return of.template_vectors(gathered_of(templates), known_numbers(templates), settings)


def test_shape_names_and_bounds() -> None:
    vectors = template_vectors(population(dict.fromkeys(KINDS, 8), strays=5), SETTINGS)
    assert vectors.matrix.shape == (45, len(vectors.names))
    assert vectors.matrix.dtype == np.float32
    assert len(set(vectors.names)) == len(vectors.names)
    assert np.isfinite(vectors.matrix).all()
    assert vectors.scaled.shape == (45, len(NUMERIC_FEATURES))
    assert np.nanmax(np.abs(vectors.scaled)) <= CLIP


def test_the_order_of_rows_does_not_matter() -> None:
    templates = population(dict.fromkeys(KINDS, 8), strays=5)
    ordered = template_vectors(templates, SETTINGS)
    shuffled = template_vectors(templates.sample(frac=1, random_state=1), SETTINGS)
    np.testing.assert_array_equal(ordered.matrix, shuffled.matrix)
    np.testing.assert_array_equal(ordered.scaled, shuffled.scaled)


def test_parts_of_any_size_give_the_same() -> None:
    table = pa.Table.from_pandas(
        population(dict.fromkeys(KINDS, 8), strays=5), schema=TABLES["templates"], preserve_index=False
    )
    whole = gathered([table])
    assert list(whole.video_ids) == sorted(table["video_id"].to_pylist())
    for size in (1, 7, 50):
        parts = gathered([table.slice(start, size) for start in range(0, len(table), size)])
        for name in ("video_ids", "niches", "numbers", "derived", "curves"):
            np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_lists_and_words_become_numbers() -> None:
    rows = [
        {
            **unknown("a"),
            "dominant_colours": ["#ff0000", "#00ff00"],
            "hook_text": "  Wait,\u00a0what? ",
            "text_share": 0.5,
        },
        {**unknown("b"), "dominant_colours": [], "hook_text": " ", "call_to_action": "follow", "words_per_min": 3.0},
        {**unknown("c"), "dominant_colours": ["#0000ff"], "hook_text": "one two", "pacing": [1.0, 2.0]},
    ]
    templates = gathered_of(frame(rows))
    np.testing.assert_allclose(templates.derived[:, :2], [[0, 0.5], [np.nan, np.nan], [0, -1]])
    np.testing.assert_array_equal(templates.derived[:, 2:], [[0, 2, 1], [1, 0, 0], [np.nan] * 3])
    assert np.isnan(templates.curves).all()


def test_nothing_gives_no_points() -> None:
    vectors = template_vectors(frame([]), SETTINGS)
    assert vectors.matrix.shape == (0, len(vectors.names))


def test_what_is_unknown_pulls_nowhere() -> None:
    vectors = template_vectors(frame([unknown("a"), unknown("b")]), SETTINGS)
    assert not vectors.matrix.any()
    assert np.isnan(vectors.scaled).all()
    templates = pd.concat([population({"story": 9}), frame([unknown("zz")])])
    templates.loc[templates["video_id"] == "story-000", "motion"] = np.inf
    vectors = template_vectors(templates, SETTINGS)
    assert not vectors.matrix[-1].any()
    assert np.isnan(vectors.scaled[0, COLUMN["motion"]])


def test_absent_is_not_unknown() -> None:
    base = {"duration_s": 20.0, "shot_count": 1, "text_share": 0.0, "speech_share": 0.0, "silence_share": 1.0}
    silent = {**unknown("silent"), **base}
    failed = {
        **unknown("failed"),
        **base,
        "text_share": None,
        "speech_share": None,
        "silence_share": None,
        "shot_count": None,
    }
    numbers = pd.DataFrame(known_numbers(frame([failed, silent])), columns=list(NUMERIC_FEATURES), index=[1, 0])
    for name in ("first_cut_s", "first_text_s", "first_word_s"):
        assert numbers[name][0] == 20.0
    assert numbers["words_per_min"][0] == numbers["chars_per_s"][0] == 0
    assert numbers["loudness_db"][0] == -90
    assert numbers.loc[1, ["first_cut_s", "first_text_s", "first_word_s", "words_per_min", "loudness_db"]].isna().all()


def test_an_outlier_does_not_squeeze_the_others() -> None:
    templates = population({"story": 30})
    before = template_vectors(templates, SETTINGS).scaled[:, COLUMN["duration_s"]]
    templates.loc[0, "duration_s"] = 1e7
    after = template_vectors(templates, SETTINGS).scaled[:, COLUMN["duration_s"]]
    assert after[0] == CLIP
    assert np.abs(after[1:] - before[1:]).max() < 0.3


def test_a_feature_on_which_all_agree_is_not_noise() -> None:
    templates = population({"story": 30})
    templates["brightness"] = 0.5 + np.linspace(-0.001, 0.001, 30)
    assert template_vectors(templates, SETTINGS).scaled[:, COLUMN["brightness"]].max() < 0.05


def test_weights_are_settings() -> None:
    templates = population(dict.fromkeys(KINDS, 5))
    plain, heavy, none = (template_vectors(templates, Analysis(weight_text=weight)) for weight in (1.0, 2.0, 0.0))
    column, other = plain.names.index("text_share"), plain.names.index("speech_share")
    np.testing.assert_allclose(heavy.matrix[:, column], 2 * plain.matrix[:, column], rtol=1e-6)
    np.testing.assert_array_equal(heavy.matrix[:, other], plain.matrix[:, other])
    assert not none.matrix[:, [plain.names.index("text_share"), plain.names.index("text_curve_3")]].any()
