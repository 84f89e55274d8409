"""Templates as points."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.analysis.vectors import CLIP, known_numbers, template_vectors
from tasks.schemas import NUMERIC_FEATURES
from tasks.settings import Analysis
from tests.populations import KINDS, frame, population, unknown

SETTINGS = Analysis()


def test_shape_names_and_bounds() -> None:
    vectors = template_vectors(population(dict.fromkeys(KINDS, 8), strays=5), SETTINGS)
    assert vectors.matrix.shape == (45, len(vectors.names))
    assert vectors.matrix.dtype == np.float32
    assert len(set(vectors.names)) == len(vectors.names)
    assert np.isfinite(vectors.matrix).all()
    assert list(vectors.scaled.columns) == list(NUMERIC_FEATURES)
    assert vectors.scaled.abs().max().max() <= CLIP


def test_the_order_of_rows_does_not_matter() -> None:
    templates = population(dict.fromkeys(KINDS, 8), strays=5)
    ordered = template_vectors(templates, SETTINGS)
    shuffled = template_vectors(templates.sample(frac=1, random_state=1), SETTINGS)
    assert ordered.video_ids == shuffled.video_ids
    np.testing.assert_array_equal(ordered.matrix, shuffled.matrix)
    pd.testing.assert_frame_equal(ordered.scaled, shuffled.scaled)


@pytest.mark.parametrize("templates", [pd.DataFrame(), frame([])])
def test_nothing_gives_no_points(templates: pd.DataFrame) -> None:
    vectors = template_vectors(templates, SETTINGS)
    assert vectors.matrix.shape == (0, len(vectors.names))
    assert vectors.video_ids == ()


def test_what_is_unknown_pulls_nowhere() -> None:
    vectors = template_vectors(frame([unknown("a"), unknown("b")]), SETTINGS)
    assert not vectors.matrix.any()
    assert vectors.scaled.isna().all().all()
    templates = pd.concat([population({"story": 9}), frame([unknown("zz")])])
    templates.loc[templates["video_id"] == "story-000", "motion"] = np.inf
    vectors = template_vectors(templates, SETTINGS)
    assert not vectors.matrix[-1].any()
    assert np.isnan(vectors.scaled.loc["story-000", "motion"])


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
    numbers = known_numbers(frame([silent, failed]))
    for name in ("first_cut_s", "first_text_s", "first_word_s"):
        assert numbers[name][0] == 20.0
    assert numbers["words_per_min"][0] == numbers["chars_per_s"][0] == 0
    assert numbers["loudness_db"][0] == -90
    assert numbers.loc[1, ["first_cut_s", "first_text_s", "first_word_s", "words_per_min", "loudness_db"]].isna().all()


def test_an_outlier_does_not_squeeze_the_others() -> None:
    templates = population({"story": 30})
    before = template_vectors(templates, SETTINGS).scaled["duration_s"]
    templates.loc[0, "duration_s"] = 1e7
    after = template_vectors(templates, SETTINGS).scaled["duration_s"]
    assert after.iloc[0] == CLIP
    assert np.abs(after[1:] - before[1:]).max() < 0.3


def test_a_feature_on_which_all_agree_is_not_noise() -> None:
    templates = population({"story": 30})
    templates["brightness"] = 0.5 + np.linspace(-0.001, 0.001, 30)
    assert template_vectors(templates, SETTINGS).scaled["brightness"].abs().max() < 0.05


def test_weights_are_settings() -> None:
    templates = population(dict.fromkeys(KINDS, 5))
    plain, heavy, none = (template_vectors(templates, Analysis(weight_text=weight)) for weight in (1.0, 2.0, 0.0))
    column, other = plain.names.index("text_share"), plain.names.index("speech_share")
    np.testing.assert_allclose(heavy.matrix[:, column], 2 * plain.matrix[:, column], rtol=1e-6)
    np.testing.assert_array_equal(heavy.matrix[:, other], plain.matrix[:, other])
    assert not none.matrix[:, [plain.names.index("text_share"), plain.names.index("text_curve_3")]].any()
