"""On-screen text: lines found in the sampled frames, read where they changed, followed while they stay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.extraction import crops, presence
from tasks.extraction.crops import Crop
from tasks.extraction.frames import Image
from tasks.extraction.ocr import OcrEngine, Quad, Strip
from tasks.extraction.presence import LumaHistory, Template
from tasks.extraction.sampling import MOST_ROWS, WHOLE, Rows
from tasks.extraction.tracks import Track, in_windows, is_text, part_of
from tasks.records import Box, Span, TextLine, Texts
from tasks.settings import Text

HISTORY_S = 2.5  # luma kept from before the last read frame, for texts that were overlooked in it
STAYED_OVERLAP = 0.7  # of the boxes of a text that did not move
FOUND_PIXELS = 4  # a smaller side is no text
SURELY_THERE = 0.85  # agreement with its edges above which an open text need not be searched again
ROW_STEPS = 10  # strips begin and end at tenths of a frame: an engine may compile for each shape


@dataclass(frozen=True)
class _Found:
    """A line of a frame and the crop whose reading it takes."""

    box: Box
    crop: Crop


class TextReader:
    """Reads one video: frames and small luma images go in as time ascends, texts come out at the end.

    Not for more than one thread.
    """

    def __init__(self, engine: OcrEngine, settings: Text) -> None:
        self.engine = engine
        self.settings = settings
        self.frames = self.crops = self.crops_recognised = 0
        self._pending: list[tuple[float, Image, Rows]] = []
        self._history = LumaHistory()
        self._last_crops: list[Crop] = []
        self._readings: dict[Crop, tuple[str, float]] = {}
        self._read_s: float | None = None  # time of the last frame that was read
        self._open: list[Track] = []
        self._closed: list[Track] = []

    def see(self, time_s: float, luma: Image) -> None:
        """Give a small luma image, uint8 [H, W], about every 0.1 s and for each frame that is read; before `read`.

        Exact first and last times come from these. The image is kept for a while: don't write to it.
        """
        self._history.add(time_s, luma)

    def read(self, time_s: float, frame: Image, rows: Rows = WHOLE) -> None:
        """Give a frame to read, uint8 BGR upright, and the rows where there may be new text.

        As many frames as the engine wants are read together.
        """
        self._pending.append((time_s, frame, rows))
        if len(self._pending) >= self.engine.batch_frames:
            self._read_pending()

    def finish(self, windows: Sequence[Span]) -> Texts:
        """The texts, by start; a text that goes on through several sampled parts has a row in each."""
        self._read_pending()
        end_s = max((span.end_s for span in windows), default=0.0)
        for track in self._open:
            self._close(track, end_s, end_s)
        kept = [track for track in self._closed if is_text(track, self.settings.min_confidence)]
        rows = [row for track in kept for row in in_windows(track, tuple(windows))]
        return Texts(
            engine=self.engine.name,
            model=self.engine.model,
            texts=tuple(sorted(rows, key=lambda row: (row.start_s, row.box.y, row.box.x))),
            frames=self.frames,
            crops=self.crops,
            crops_recognised=self.crops_recognised,
        )

    def _read_pending(self) -> None:
        if not self._pending:
            return
        strips = [self._strip(*pending) for pending in self._pending]
        times = [time_s for time_s, _, _ in self._pending]
        self._pending = []
        wanted: list[tuple[Crop, Image]] = []
        found = [
            self._find(strip, quads, wanted) for strip, quads in zip(strips, self.engine.detect(strips), strict=True)
        ]
        texts = self.engine.recognise([image for _, image in wanted])
        self.crops_recognised += len(wanted)
        self._readings.update({crop: text for (crop, _), text in zip(wanted, texts, strict=True)})
        for time_s, strip, lines in zip(times, strips, found, strict=True):
            self._follow(time_s, strip, self._lines(lines))
        self._readings = {crop: self._readings[crop] for crop in self._last_crops}

    def _strip(self, time_s: float, frame: Image, rows: Rows) -> Strip:
        """The rows with new text, and those of open texts that may have gone or changed."""
        top, bottom, still = rows
        height = frame.shape[0]
        luma = self._history.at(time_s)
        for track in self._open:
            if luma is None or track.template is None or track.template.score(luma) < SURELY_THERE:
                top = min(top, track.box.y - track.box.height / 2)
                bottom = max(bottom, track.box.y + 1.5 * track.box.height)
        if self.engine.batch_frames > 1 or bottom - top > MOST_ROWS:
            return Strip(frame, 0, height, still)
        first, last = math.floor(top * ROW_STEPS), math.ceil(bottom * ROW_STEPS)
        return Strip(frame, max(0, first * height // ROW_STEPS), min(height, last * height // ROW_STEPS), still)

    def _find(self, strip: Strip, quads: Sequence[Quad], wanted: list[tuple[Crop, Image]]) -> list[_Found]:
        """The lines of one strip; crops that changed since the frame before are added to `wanted`."""
        found = []
        for quad in crops.whole_lines(quads):
            if _is_cut_off(quad, strip):
                continue
            box = crops.box_of(quad, strip.frame)
            image = crops.cut(strip.frame, quad)
            if min(image.shape[:2]) < FOUND_PIXELS:
                continue
            picture = crops.thumbnail(image)
            same = (crop for crop in self._last_crops if crop.same_as(box, picture, self.settings.reuse_difference))
            crop = next(same, None)
            if crop is None:
                crop = Crop(box, picture)
                wanted.append((crop, image))
            found.append(_Found(box, crop))
        self.frames += 1
        self.crops += len(found)
        self._last_crops = [line.crop for line in found] + [
            crop for crop in self._last_crops if not _searched(crop.box, strip)
        ]
        return found

    def _lines(self, found: Sequence[_Found]) -> list[TextLine]:
        read = [(line.box, *self._readings[line.crop]) for line in found]
        return [TextLine(text=text.strip(), box=box, confidence=sure) for box, text, sure in read if text.strip()]

    def _follow(self, time_s: float, strip: Strip, lines: list[TextLine]) -> None:
        """Carry the open texts on to the frame at time_s, close those that went, open those that came."""
        luma = self._history.at(time_s)
        carried, free = _match(self._open, lines)
        stay: list[Track] = []
        gone: list[Track] = []
        for index, track in enumerate(self._open):
            line = carried.get(index)
            if line is not None:
                _carry(track, line, time_s, luma)
                stay.append(track)
            elif not _searched(track.box, strip):
                track.seen_s = time_s  # its edges said that it is there
                stay.append(track)
            elif any(part_of(track.reading, whole.box, whole) for whole in lines):
                continue  # a piece of a line that was now found whole
            elif not any(_same_place(track, line) for line in lines) and self._last_s(track, time_s) is None:
                track.seen_s = time_s  # overlooked
                stay.append(track)
            else:
                gone.append(track)
        come: list[Track] = []
        for line in free:
            if not any(part_of(line, track.box, track.reading) for track in stay):
                before = next((track for track in gone if _same_place(track, line)), None)
                come.append(self._start(time_s, line, luma, before))
        for track in gone:
            after_s = [new.start_s for new in come if _same_place(track, new)]
            self._close(track, time_s, min(after_s, default=time_s))
        self._open = stay + come
        self._read_s = time_s
        self._history.drop_before(time_s - HISTORY_S)

    def _start(self, time_s: float, line: TextLine, luma: Image | None, before: Track | None) -> Track:
        """A new text, read first in the frame at time_s; when it came is looked up in the small images.

        before: the text that it takes the place of.
        """
        template = Template(luma, line.box) if luma is not None else None
        start_s = time_s
        if template is not None:
            images = self._history.between(self._read_s if self._read_s is not None else 0.0, time_s)
            change = presence.onset(template.scores(images))
            if change.before_s is None and before is not None and before.template is not None:
                # much alike: the one fades out as the other comes
                old = before.template.scores(images)
                new = template.scores(images)
                change = presence.onset([(at_s, b - a) for (at_s, b), (_, a) in zip(new, old, strict=True)])
            elif change.before_s is None:  # overlooked in the frame before
                change = presence.onset(template.scores(self._history.between(0.0, time_s)))
            start_s = change.time_s
        track = Track(start_s, time_s, line.box, template)
        track.add(line)
        return track

    def _close(self, track: Track, gone_s: float, replaced_s: float) -> None:
        """End a text that was there last at `seen_s`; if it seems to stay, when another took its place."""
        last_s = self._last_s(track, gone_s)
        track.seen_s = max(track.seen_s, replaced_s if last_s is None else last_s)
        track.template = None
        self._closed.append(track)

    def _last_s(self, track: Track, until_s: float) -> float | None:
        """When a text went, from the small images since it was there last; None if it is there until the end."""
        images = self._history.between(track.seen_s, until_s)
        if track.template is None or len(images) < 2:
            return track.seen_s if track.template is None else None
        change = presence.offset(track.template.scores(images))
        return None if change is None else change.time_s


def _carry(track: Track, line: TextLine, time_s: float, luma: Image | None) -> None:
    """The text is there in the frame at time_s, as `line`."""
    template = Template(luma, line.box) if luma is not None else None
    stayed = crops.overlap(track.box, line.box) > STAYED_OVERLAP
    if not (stayed and template and track.template and template.fainter_than(track.template)):
        track.template = template  # but not while it fades out: what is left is the picture behind it
    track.add(line)
    track.seen_s = time_s


def _match(tracks: Sequence[Track], lines: Sequence[TextLine]) -> tuple[dict[int, TextLine], list[TextLine]]:
    """Which line carries which track on (best first), and the lines that carry none."""
    pairs = [(track.continues_as(line), t, n) for t, track in enumerate(tracks) for n, line in enumerate(lines)]
    carried: dict[int, TextLine] = {}
    used: set[int] = set()
    for value, t, n in sorted(pairs, reverse=True):
        if value > 0 and t not in carried and n not in used:
            carried[t] = lines[n]
            used.add(n)
    return carried, [line for n, line in enumerate(lines) if n not in used]


def _searched(box: Box, strip: Strip) -> bool:
    """Was a text at `box` searched: does the strip hold it whole?"""
    height = strip.frame.shape[0]
    return strip.top <= box.y * height and (box.y + box.height) * height <= strip.bottom


def _is_cut_off(quad: Quad, strip: Strip) -> bool:
    """Does a line reach the edge of a strip that goes on: is it a piece of a line?"""
    top, bottom = float(quad[:, 1].min()), float(quad[:, 1].max())
    cut_above = strip.top > 0 and top < strip.top + FOUND_PIXELS / 2
    return cut_above or (strip.bottom < strip.frame.shape[0] and bottom > strip.bottom - 1 - FOUND_PIXELS / 2)


def _same_place(a: Track, b: Track | TextLine) -> bool:
    return crops.overlap(a.box, b.box) > 0.4
