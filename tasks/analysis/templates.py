"""The templates as analysis works on them: arrays, one row per video in the order of the ids.

A million templates as rows of Python objects take ten gigabytes, as these arrays not one: parts are read one by one, and
of each only what the analysis needs is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.classification.embeddings import Embeddings
from tasks.schemas import CURVE_FEATURES, CURVE_POINTS, NUMERIC_FEATURES

Reals = NDArray[np.float64]

#: What is made of the list and text columns; not in the tables.
DERIVED_FEATURES = ("colour_red_green", "colour_yellow_blue", "asks", "hook_words", "hook_question")
COLUMNS = (
    "video_id",
    "niche",
    *NUMERIC_FEATURES,
    *CURVE_FEATURES,
    "dominant_colours",
    "hook_text",
    "hook_speech",
    "call_to_action",
)
_QUESTION = "[?？؟]"
_HEX_LENGTH = len("#rrggbb")


@dataclass(frozen=True)
class Templates:
    """n templates, sorted by video_id; NaN is unknown.

    video_ids, niches: object [n], a niche may be None. numbers: float64 [n, NUMERIC_FEATURES]. derived: float64
    [n, DERIVED_FEATURES]. curves: float32 [n, CURVE_FEATURES, CURVE_POINTS]. meanings: float32 [n, size], embeddings of
    what the hook shows and says, zeros where that is nothing; of no size without embeddings.
    """

    video_ids: NDArray[np.object_]
    niches: NDArray[np.object_]
    numbers: Reals
    derived: Reals
    curves: NDArray[np.float32]
    meanings: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.video_ids)

    def of(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Templates:
        """These rows, in their order."""
        return Templates(
            self.video_ids[rows],
            self.niches[rows],
            self.numbers[rows],
            self.derived[rows],
            self.curves[rows],
            self.meanings[rows],
        )

    def with_niches(self, niches: NDArray[np.object_]) -> Templates:
        return replace(self, niches=niches)


def gathered(parts: Iterable[pa.Table], embeddings: Embeddings | None = None) -> Templates:
    """Templates of parts of the `templates` table, which need not have more than COLUMNS, in any order of rows."""
    pieces = [_piece(part.combine_chunks(), embeddings) for part in parts]
    pieces = [piece for piece in pieces if len(piece)] or [_piece(_nothing(), embeddings)]
    ids = np.concatenate([piece.video_ids for piece in pieces])
    order = pc.sort_indices(pa.array(ids, pa.string())).to_numpy()
    numbers, derived, curves, meanings = (
        np.concatenate([getattr(piece, name) for piece in pieces])
        for name in ("numbers", "derived", "curves", "meanings")
    )
    niches = np.concatenate([piece.niches for piece in pieces])
    return Templates(ids, niches, numbers, derived, curves, meanings).of(order)


def _nothing() -> pa.Table:
    return pa.table({name: pa.array([], pa.string()) for name in ("video_id", "niche")})


def _piece(part: pa.Table, embeddings: Embeddings | None) -> Templates:
    size = len(part)
    numbers = [_floats(part, name) for name in NUMERIC_FEATURES]
    curves = [_curve(part, name) for name in CURVE_FEATURES]
    colours = _opponents(part)
    words = [_words(part, name) for name in ("hook_text", "hook_speech")]
    questions = [_questions(part, name) for name in ("hook_text", "hook_speech")]
    asks = (
        pc.is_valid(part["call_to_action"]).to_numpy()
        if "call_to_action" in part.column_names
        else np.zeros(size, bool)
    )
    worded = np.column_stack([asks, sum(words), np.logical_or(*questions)]).astype(float)
    read = [np.isfinite(_floats(part, name)) for name in ("text_share", "words_per_min")]
    worded[~np.logical_or(*read)] = np.nan  # words are unknown where neither text nor speech was read
    return Templates(
        part["video_id"].to_numpy(),
        _objects(part["niche"]),
        np.column_stack(numbers) if numbers else np.empty((size, 0)),
        np.hstack([colours, worded]),
        np.stack(curves, axis=1),
        _meanings(part, embeddings),
    )


def _objects(column: pa.ChunkedArray) -> NDArray[np.object_]:
    """Strings as objects, None where null."""
    values = column.to_numpy().astype(object)
    values[column.is_null().to_numpy()] = None
    return cast(NDArray[np.object_], values)


def _floats(part: pa.Table, name: str) -> Reals:
    if name not in part.column_names:
        return np.full(len(part), np.nan)
    values = part[name].cast(pa.float64()).to_numpy()
    finite: Reals = np.where(np.isfinite(values), values, np.nan)
    return finite


def _list(part: pa.Table, name: str) -> pa.ListArray | None:
    if name not in part.column_names or not len(part):
        return None
    column = part[name]
    return cast(pa.ListArray, column.chunk(0) if column.num_chunks == 1 else column.combine_chunks())


def _curve(part: pa.Table, name: str) -> NDArray[np.float32]:
    """float32 [n, CURVE_POINTS], NaN where a curve is unknown or of another length."""
    points = np.full((len(part), CURVE_POINTS), np.nan, dtype=np.float32)
    column = _list(part, name)
    if column is not None:
        whole = pc.fill_null(pc.equal(pc.list_value_length(column), CURVE_POINTS), False)
        values = column.filter(whole).flatten().to_numpy(zero_copy_only=False).astype(np.float32)
        points[whole.to_numpy(zero_copy_only=False)] = values.reshape(-1, CURVE_POINTS)
    return points


def _opponents(part: pa.Table) -> Reals:
    """[n, 2]: mean red-green and yellow-blue opponents (-1..1) of "#rrggbb" colours; NaN without any."""
    means = np.full((len(part), 2), np.nan)
    column = _list(part, "dominant_colours")
    if column is None:
        return means
    counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    colours = column.flatten().to_numpy(zero_copy_only=False)
    letters = np.array(colours, dtype=f"S{_HEX_LENGTH}").view(np.uint8).reshape(-1, _HEX_LENGTH)[:, 1:]
    digits = np.where(letters >= ord("a"), letters - ord("a") + 10, letters - ord("0")).astype(float)
    channels = (16 * digits[:, ::2] + digits[:, 1::2]) / 255
    rows = np.repeat(np.arange(len(part)), counts)
    with np.errstate(invalid="ignore"):
        red, green, blue = (np.bincount(rows, channels[:, at], len(part)) / counts for at in range(3))
    return np.column_stack([red - green, (red + green) / 2 - blue])


def _meanings(part: pa.Table, embeddings: Embeddings | None) -> NDArray[np.float32]:
    if embeddings is None:
        return np.zeros((len(part), 0), dtype=np.float32)
    said = [part[name].to_pylist() for name in ("hook_text", "hook_speech") if name in part.column_names]
    hooks = [". ".join(filter(None, hook)) for hook in zip(*said, strict=True)]
    return embeddings.of(hooks or [""] * len(part))


def _words(part: pa.Table, name: str) -> NDArray[np.int64]:
    if name not in part.column_names:
        return np.zeros(len(part), dtype=np.int64)
    words = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(pc.fill_null(part[name], "")))
    counts = pc.list_value_length(words).to_numpy()
    empty = pc.equal(pc.list_element(words, 0), "").to_numpy() if len(part) else np.zeros(0, dtype=bool)
    return np.where(empty, 0, counts).astype(np.int64)


def _questions(part: pa.Table, name: str) -> NDArray[np.bool_]:
    if name not in part.column_names:
        return np.zeros(len(part), dtype=bool)
    found: NDArray[np.bool_] = pc.match_substring_regex(pc.fill_null(part[name], ""), _QUESTION).to_numpy()
    return found
