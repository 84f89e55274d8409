"""Small pictures of a video for the report: its first frame, its shots, and moments between."""

from __future__ import annotations

import base64

import cv2

from tasks.extraction.frames import Image, SmallFrame
from tasks.records import Picture

AFTER_CUT_S = 0.3  # a shot is pictured a little after it begins, when it has settled
QUALITY = 80


class PictureBook:
    """Keeps at most `4 * count` candidates while the video passes, and gives `count` spread over its length."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._kept: list[tuple[float, Image]] = []
        self._every_s = 0.5
        self._due_s = 0.0

    def push(self, frame: SmallFrame, cut: bool) -> None:
        if cut:
            self._due_s = frame.time_s + AFTER_CUT_S
        if frame.time_s < self._due_s:
            return
        self._kept.append((frame.time_s, frame.bgr))
        self._due_s = frame.time_s + self._every_s
        if len(self._kept) >= 4 * self.count:
            self._kept = self._kept[::2]
            self._every_s *= 2

    def finish(self) -> tuple[Picture, ...]:
        last = len(self._kept) - 1
        count = min(self.count, len(self._kept))
        chosen = sorted({round(index * last / max(1, count - 1)) for index in range(count)})
        return tuple(
            Picture(time_s=round(self._kept[index][0], 3), jpeg_base64=_jpeg(self._kept[index][1])) for index in chosen
        )


def _jpeg(image: Image) -> str:
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return base64.b64encode(encoded.tobytes()).decode()
