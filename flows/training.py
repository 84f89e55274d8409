"""Training a niche model: from the labelled file to the model file, and the table of what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tasks.errors import UsageError

if TYPE_CHECKING:
    from tasks.classification.model import Card

TEXT = ["video_id", "title", "description", "tags", "uploader"]


def train(
    labels: str, out: str, precision: float, corrections: str | None, videos: str | None, embeddings: str | None = None
) -> Card:
    """Train and write the model. Raises UsageError.

    videos: OUT of earlier runs, for the text of corrected videos. embeddings: folder of a sentence-transformers model.
    """
    from tasks.classification.corrections import read_corrections
    from tasks.classification.embeddings import load_embeddings
    from tasks.classification.labels import read_labels
    from tasks.classification.training import train as fit
    from tasks.tables import Tables

    folder = Path(out).parent
    if Path(out).is_dir() or not folder.is_dir():
        raise UsageError(
            f"--out {out}: {'a folder' if Path(out).is_dir() else 'its folder does not exist'}; name a file"
        )
    corrected = read_corrections(corrections)
    others = []
    if videos is not None:
        from flows.command import existing

        table = Tables(existing(videos), read_only=True).read("videos", TEXT)
        others = [row for row in table.to_pylist() if row["video_id"] in corrected]
    read = read_labels(labels, corrected, others)
    model = fit(read, precision, load_embeddings(embeddings) if embeddings else None)
    model.save(out)
    return model.card


def show(card: Card, out: str) -> None:
    scores, console = card.scores, Console()
    table = Table(title=f"{sum(card.videos.values())} videos of {card.channels} channels, {len(card.niches)} niches")
    for heading in ("macro-F1", "accuracy", "calibration error"):
        table.add_column(heading, justify="right")
    table.add_row(*(f"{value:.3f}" for value in (scores.macro_f1, scores.accuracy, scores.calibration_error)))
    console.print(table)
    console.print("by cross-validation, no channel on both sides; accuracy of the surest:", highlight=False)
    console.print(", ".join(f"{share} {value:.2f}" for share, value in scores.coverage.items()), highlight=False)
    console.print(
        f"abstains below {card.threshold:.2f}, for a precision of {card.precision:g}: {card.accepted:.0%} get a niche",
        highlight=False,
    )
    console.print(f"model  {out}; use it with --model {out}", highlight=False, soft_wrap=True, markup=False)
