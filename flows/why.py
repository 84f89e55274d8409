"""Why a stage of a video is reused or redone: the inputs that its rows were made from, against those of a run now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from flows.plan import Planned
from tasks.errors import blames_content
from tasks.keys import EXTRACTION_STAGES, TextInputs, code_digest, relevant_settings, said_digest
from tasks.records import Metadata
from tasks.tables import Row

Part = Literal["content", "settings", "code version", "model"]
Values = Mapping[str, Mapping[str, object]]  # settings as `runs` keeps them: section -> key -> value
SHOWN = 12  # characters of a digest
WORDS = 60  # characters of a text
UNKNOWN = "its row was written by a version that did not keep what it was made from"


@dataclass(frozen=True)
class Change:
    """An input that is not what it was. name: of the setting or the field of the text; old, new: None where not known."""

    part: Part
    name: str | None = None
    old: object = None
    new: object = None

    def __str__(self) -> str:
        what = f"{self.part} {self.name}" if self.name else self.part
        return f"{what}: {_shown(self.old)} -> {_shown(self.new)}"


@dataclass(frozen=True)
class Verdict:
    """What a run would do with one stage of a video, and why."""

    stage: str
    verdict: Literal["reused", "redone", "left alone"]
    why: str
    changes: tuple[Change, ...] = ()

    def figures(self) -> dict[str, Any]:
        return asdict(self) | {"changes": [asdict(change) for change in self.changes]}


@dataclass(frozen=True)
class Past:
    """What OUT knows of a video.

    row: its row of `videos`, {} if there is none. whole: its rows elsewhere are there. failures: stage -> row.
    settings: of the run that wrote the row, {} where that run is not known.
    """

    row: Row
    whole: bool
    failures: Mapping[str, Row]
    settings: Values

    def stands(self, input_hash: str) -> bool:
        """Are the rows in the tables those that a run of these inputs would make?"""
        return self.whole and self.row.get("input_hash") == input_hash and self.row.get("status") == "complete"


def extraction_verdicts(
    past: Past, planned: Planned, settings: Values, cached: frozenset[str], attempts: int
) -> list[Verdict]:
    """The stages of extraction, and the template that is made of them.

    settings: of a run now. cached: stages whose result the cache has. attempts: after which a video is left alone.
    """
    stages = [*EXTRACTION_STAGES, "template"]
    if past.stands(planned.input_hash):
        return [Verdict(stage, "reused", "nothing changed; its rows stand in the tables") for stage in stages]
    failures = {stage: item for stage, item in past.failures.items() if item["input_hash"] == planned.input_hash}
    blamed = [item["attempts"] for item in failures.values() if blames_content(item["error_type"])]
    tried = max(blamed, default=0)
    if tried >= attempts:
        words = f"failed {tried} times on the same input; `reelscope retry` tries it again"
        told = "; ".join(f"{stage}: {item['error_type']}" for stage, item in sorted(failures.items()))
        return [Verdict(stage, "left alone", f"{words} ({told})") for stage in stages]
    verdicts = [_of_stage(stage, past, planned, settings, stage in cached, failures) for stage in EXTRACTION_STAGES]
    return [*verdicts, _of_template(past, verdicts, failures)]


def _of_stage(
    stage: str, past: Past, planned: Planned, settings: Values, cached: bool, failures: Mapping[str, Row]
) -> Verdict:
    changes = tuple(stage_changes(stage, past, planned, settings))
    extracted = bool(past.row.get("input_hash"))
    told = "; ".join(map(str, changes))
    if cached:
        known = "the cache has its result for these inputs"
        return Verdict(stage, "reused", f"{known} (since the rows were made: {told})" if told else known, changes)
    if not extracted:
        return Verdict(stage, "redone", "new: this OUT has no result of it")
    if stage in failures:
        return Verdict(stage, "redone", _failed(failures[stage]), changes)
    if "decode" in failures:
        return Verdict(stage, "redone", "it was not come to: decode failed", changes)
    if told:
        return Verdict(stage, "redone", told, changes)
    if not past.row.get("inputs"):
        return Verdict(stage, "redone", UNKNOWN)
    return Verdict(stage, "redone", "nothing changed, but the cache has no result of it any more")


def _failed(failure: Row) -> str:
    return f"it failed: {failure['error_type']}, attempt {failure['attempts']}"


def _of_template(past: Past, verdicts: list[Verdict], failures: Mapping[str, Row]) -> Verdict:
    """A template is made again whenever one of its stages has other inputs, a new result, or the code is another."""
    if not past.row.get("input_hash"):
        return Verdict("template", "redone", "new: this OUT has no rows of it")
    follows = [verdict.stage for verdict in verdicts if verdict.verdict == "redone" or verdict.changes]
    before = _parts(past.row.get("inputs")).get("template", {}).get("code")
    now = code_digest("template")
    changes = (Change("code version", None, before, now),) if before not in (None, now) else ()
    reasons = [*map(str, changes), *([f"follows {', '.join(follows)}"] if follows else [])]
    if "template" in failures:
        reasons.append(_failed(failures["template"]))
    otherwise = "its rows are not whole in the tables" if past.row.get("inputs") else UNKNOWN
    return Verdict("template", "redone", "; ".join(reasons) or otherwise, changes)


def stage_changes(stage: str, past: Past, planned: Planned, settings: Values) -> list[Change]:
    """What of a stage's inputs is not what the video's row was made from; what an older version did not keep is left out."""
    row, now = past.row, planned.inputs[stage]
    before = _parts(row.get("inputs")).get(stage, {})
    changes = []
    content = before.get("content") or row.get("content_hash")
    if content and content != now.content:
        changes.append(Change("content", None, content, now.content))
    if before.get("settings") != now.settings:
        changes += _setting_changes(stage, past.settings, settings)
        if "settings" in before and not any(change.part == "settings" for change in changes):
            changes.append(Change("settings", None, before["settings"], now.settings))
    if before.get("code", now.code) != now.code:
        changes.append(Change("code version", None, before["code"], now.code))
    if before.get("model", now.model) != now.model:
        changes.append(Change("model", None, before["model"], now.model))
    return changes


def _setting_changes(stage: str, before: Values, now: Values) -> list[Change]:
    if not before:
        return []
    old, new = relevant_settings(stage, before), relevant_settings(stage, now)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return [Change("settings", name, old.get(name), new.get(name)) for name in names]


def classification_verdict(past: Past, classified_hash: str, now: TextInputs, says: Metadata) -> Verdict:
    """The same for the niche, which depends on the text alone and what it is compared with."""
    known = past.row.get("classified_hash")
    if known == classified_hash:
        return Verdict("classification", "reused", "nothing changed; its niche stands in the tables")
    if known is None:
        return Verdict("classification", "redone", "new: this OUT has no niche of it")
    kept = past.row.get("classified_inputs")
    if not kept:
        words = "its niche was found by a version that did not keep what it was made from"
        return Verdict("classification", "redone", words)
    changes = tuple(text_changes(TextInputs.model_validate_json(kept), now, past.row, says))
    return Verdict("classification", "redone", "; ".join(map(str, changes)), changes)


def text_changes(before: TextInputs, now: TextInputs, row: Row, says: Metadata) -> list[Change]:
    """row: of `videos`; its words are shown where they are still those that were classified. says: the words now."""
    changes = []
    for name, said in now.text.items():
        if before.text.get(name) != said:
            known = said_digest(row.get(name)) == before.text.get(name)
            old, new = (row.get(name), getattr(says, name)) if known else (before.text.get(name), said)
            changes.append(Change("content", name, old, new))
    if before.min_confidence != now.min_confidence:
        changes.append(Change("settings", "classification.min_confidence", before.min_confidence, now.min_confidence))
    if before.niches != now.niches and before.niches and now.niches:  # a model has no niches file
        changes.append(Change("settings", "classification.niches", before.niches, now.niches))
    if before.code != now.code:
        changes.append(Change("code version", None, before.code, now.code))
    # the model's identity covers the niches and the confidence, too
    if before.model != now.model and not any(change.part == "settings" for change in changes):
        changes.append(Change("model", None, before.model, now.model))
    return changes


def _parts(inputs: str | None) -> dict[str, dict[str, str]]:
    """What `tasks.keys.recorded` wrote."""
    parts: dict[str, dict[str, str]] = json.loads(inputs) if inputs else {}
    return parts


def _shown(value: object) -> str:
    """Digests are cut, two that differ do so in their first characters; and so are long texts."""
    if value is None:
        return "not set"
    words = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    digest = len(words) >= 32 and not set(words) - set("0123456789abcdef")
    return words[:SHOWN] if digest else words if len(words) <= WORDS else f"{words[:WORDS]}…"
