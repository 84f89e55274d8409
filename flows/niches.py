"""The niches of a run: which videos want one, what was found, and its way into the tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from tasks.classification.corrections import read_corrections
from tasks.classification.embeddings import check_folder
from tasks.classification.niches import niches_of
from tasks.keys import TextInputs, digest, text_hash, text_inputs
from tasks.records import Niche, Video
from tasks.rows import metadata_row
from tasks.settings import Classification, Settings
from tasks.sources.catalog import Catalog
from tasks.tables import Row, Tables, VideoRows

if TYPE_CHECKING:
    from tasks.classification.classifier import Classifier


def check(every: Settings) -> None:
    """Raises UsageError for a niches file, a model, embeddings or corrections that cannot be used; nothing is made."""
    settings = every.classification
    read_corrections(settings.corrections)
    for folder in filter(None, (settings.embeddings, every.analysis.embeddings)):
        check_folder(folder)
    if settings.model:
        from tasks.classification.classifier import load_classifier

        load_classifier(settings)
    else:
        niches_of(settings)  # scikit-learn can wait


class Niches:
    """What classification is about in one run. `rows`: the columns of `videos` that it found, by video_id.

    A video of the correction file has the niche that stands there, with confidence 1, whatever its text says.
    """

    def __init__(self, catalog: Catalog, tables: Tables, settings: Classification) -> None:
        self.rows: dict[str, Row] = {}
        self._catalog, self._tables, self._settings = catalog, tables, settings
        self._hashes: dict[str, str] = {}

    @cached_property
    def classifier(self) -> Classifier:
        from tasks.classification.classifier import load_classifier

        return load_classifier(self._settings)

    @cached_property
    def by_id(self) -> dict[str, Video]:
        """The catalog by video_id."""
        return {video.video_id: video for video in self._catalog.videos}

    @cached_property
    def corrections(self) -> dict[str, str | None]:
        """video_id -> niche that was set by hand, None for none."""
        return read_corrections(self._settings.corrections)

    @cached_property
    def _identity(self) -> str:
        """Of the niches file; a model has none."""
        return "" if self._settings.model else niches_of(self._settings).identity

    def hash_of(self, video: Video) -> str:
        """Everything that the niche of a video depends on; of a corrected video the correction alone."""
        if video.video_id not in self._hashes:
            self._hashes[video.video_id] = (
                digest("correction", self.corrections[video.video_id] or "")
                if video.video_id in self.corrections
                else text_hash(video.metadata, self.classifier.identity, self.classifier.min_confidence)
            )
        return self._hashes[video.video_id]

    def inputs_of(self, video: Video) -> TextInputs:
        """The same in parts, for those who ask what changed."""
        model = self.classifier.identity
        if video.video_id in self.corrections:
            model = f"correction: {self.corrections[video.video_id] or 'no niche'}"
        return text_inputs(video.metadata, self._identity, model, self.classifier.min_confidence)

    def classify(self, videos: Sequence[Video]) -> list[Niche]:
        """The niche of each video, in order."""
        open_ones = [video for video in videos if video.video_id not in self.corrections]
        found = iter(self.classifier.classify([video.metadata for video in open_ones]))
        return [
            Niche(niche=self.corrections[video.video_id], confidence=1.0, runner_up=None)
            if video.video_id in self.corrections
            else next(found)
            for video in videos
        ]

    @cached_property
    def wanting(self) -> list[Video]:
        """The videos whose text, or what it is compared with, changed since their niche was found."""
        known = self._tables.known()
        return [
            video
            for video in self._catalog.videos
            if known.get(video.video_id, {}).get("classified_hash") != self.hash_of(video)
        ]

    def note(self, video: Video, niche: Niche) -> None:
        self.rows[video.video_id] = {
            "niche": niche.niche,
            "niche_confidence": niche.confidence,
            "niche_runner_up": niche.runner_up,
            "classified_hash": self.hash_of(video),
            "classified_inputs": self.inputs_of(video).model_dump_json(),
        }

    def publish(self) -> None:
        """Put niches into the rows that are there; rows of new videos come with their templates."""
        self.refresh()
        named = {"video_id": list(self.rows), "niche": [row["niche"] for row in self.rows.values()]}
        self._tables.assign(pa.table({name: pa.array(values, pa.string()) for name, values in named.items()}))

    def publish_alone(self, run_id: str) -> None:
        """Make the rows of new videos, whose templates are not wanted yet."""
        known = self._tables.known()
        told: Row = {"status": "classified", "run_id": run_id}
        new = [video for video in self._catalog.videos if video.video_id not in known]
        self._tables.publish([VideoRows(metadata_row(video) | self.rows[video.video_id] | told) for video in new])

    def refresh(self) -> bool:
        """Renew titles, views, addresses and niches of the videos that are in the tables; was there anything new?"""
        known = self._tables.known()
        return self._tables.describe(
            metadata_row(video) | self.rows.get(video.video_id, {})
            for video in self._catalog.videos
            if video.video_id in known
        )
