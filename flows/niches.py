"""The niches of a run: which videos want one, what was found, and its way into the tables."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from tasks.catalog import Catalog
from tasks.classification.niches import niches_of
from tasks.keys import TextInputs, text_hash, text_inputs
from tasks.records import Niche, Video
from tasks.rows import metadata_row
from tasks.settings import Classification
from tasks.tables import Row, Tables, VideoRows

if TYPE_CHECKING:
    from tasks.classification.classifier import Classifier


class Niches:
    """What classification is about in one run. `rows`: the columns of `videos` that it found, by video_id."""

    def __init__(self, catalog: Catalog, tables: Tables, settings: Classification) -> None:
        self.rows: dict[str, Row] = {}
        self._catalog, self._tables, self._settings = catalog, tables, settings

    @cached_property
    def classifier(self) -> Classifier:
        from tasks.classification.classifier import load_classifier

        return load_classifier(self._settings)

    @cached_property
    def by_id(self) -> dict[str, Video]:
        return {video.video_id: video for video in self._catalog.videos}

    @cached_property
    def _identity(self) -> str:
        return niches_of(self._settings).identity

    def hash_of(self, video: Video) -> str:
        """Everything that the niche of a video depends on."""
        return text_hash(video.metadata, self.classifier.identity, self._settings.min_confidence)

    def inputs_of(self, video: Video) -> TextInputs:
        """The same in parts, for those who ask what changed."""
        return text_inputs(video.metadata, self._identity, self.classifier.identity, self._settings.min_confidence)

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
        return self._tables.describe(
            metadata_row(video) | self.rows.get(video.video_id, {}) for video in self._catalog.videos
        )
