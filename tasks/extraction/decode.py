"""One open, one demux, one decode: pictures and sound of a file in one pass, on one clock.

Times come from timestamps (PTS) and count from the first shown frame; frames are upright (display matrix applied).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import cv2
from av.video.reformatter import VideoReformatter

from tasks.addresses import masked
from tasks.errors import DamagedMedia
from tasks.extraction.frames import Image, SmallFrame
from tasks.extraction.opening import audio_stream, opened, readable, video_stream
from tasks.extraction.pcm import SAMPLE_RATE, Chunk, Resampler
from tasks.extraction.planes import Planes, to_bgr, upright
from tasks.settings import Decode, Limits, Sources

__all__ = ["Chunk", "Frame", "Media", "skip_loop_filter"]

THUMB_PX = 128  # longest side of the picture in which changes are seen
SAME = 0.02  # mean difference (0..255) of two such pictures below which they are one
NEAR_S = (
    0.0015  # a frame nearer to the last one is left out: nobody sees 600 a second, and windows of time would fill up
)
BROKEN_CLOCK_S = 3600.0  # a jump by so much to beyond `limits.duration_s` is a broken timestamp, and no long video
BACK_S = 1.0  # a frame so much before the last one is no late frame, but a broken timestamp
UNTOLD_S = 1 / 25  # how long a frame is shown where nobody says so
EARLY_SOUND_S = 60.0  # sound that may come before the first picture; more of it means that there are no pictures


@dataclass(frozen=True)
class Frame:
    """A decoded picture, made small; `full()` converts the whole frame, for the few that are read."""

    small: SmallFrame
    raw: av.VideoFrame
    reformatter: VideoReformatter  # one for all frames: preparing it costs ten times the conversion of a small frame

    def full(self) -> Image:
        """uint8 [height, width, 3] BGR, upright."""
        bgr = self.reformatter.reformat(self.raw, format="bgr24", threads=1)
        return upright(bgr.to_ndarray(), self.raw.rotation)


class Media:
    """An open media file; iterate once for its frames and sound in stream order.

    After the iteration `duration_s`, `frames` and `damaged` say what was found, `too_long` and `silenced` what was not.
    path: a local path, or the address of a remote file as str; content: the identity that a remote one must still have.
    Raises NotAVideo, NoPictures, NoDecoder, TooLarge, DamagedMedia or UnreadableSource, each naming the file; while it
    is read, also the disk's own errors.
    """

    def __init__(
        self,
        path: Path | str,
        sources: Sources,
        settings: Decode,
        pictures: bool = True,
        sound: bool = True,
        content: str | None = None,
        limits: Limits = Limits(),
    ) -> None:
        self.path = masked(str(path))
        self.settings, self.limits = settings, limits
        self.pictures = pictures  # False: only the first picture is decoded, for the clock
        self._file = readable(path, sources, content)
        try:
            self._container = opened(self._file, self.path, sources, limits)
        except BaseException:
            self._file.close()
            raise
        try:
            self._video = video_stream(self._container, self.path, limits)
            self._audio = audio_stream(self._container) if sound else None
        except Exception:
            self._close()
            raise
        self._listens = sound
        self.has_audio = bool(self._container.streams.audio)
        self.width = self.height = 0
        self._size: tuple[int, int] | None = None  # of the first frame, as stored
        self.frames = self.damaged = 0
        self._start_s: float | None = None
        self._last_s: float | None = None
        self.too_long = False  # there is more of it than limits.duration_s, which was left out
        self._sound_packets = 0
        self._sound_s = 0.0  # of decoded sound
        self.fps = float(self._video.average_rate) if self._video.average_rate else None
        self._end_s = 0.0  # of all that was decoded, in the container's clock
        self._frame_s = self._lasting_s(1 / self.fps if self.fps else UNTOLD_S)
        self._tick_s = 0.0
        self._reformatter = VideoReformatter()
        self._packed: Image | None = None  # the last thumb, as I420 and as BGR
        self._thumb: Image | None = None

    @property
    def expected_duration_s(self) -> float | None:
        """What the header lets expect, for windows and progress; a hint, never a measurement. None if it cannot be."""
        declared_s = self._video_s or self._container_s
        return declared_s if declared_s and 0 < declared_s <= self.limits.duration_s else None

    @property
    def _video_s(self) -> float | None:
        if self._video.duration and self._video.time_base:
            return float(self._video.duration * self._video.time_base)
        return None

    @property
    def missing_s(self) -> tuple[float, float] | None:
        """How much was decoded and how much the header promised, in seconds; None where the header does not tell.

        A container's own duration covers all its streams, so pictures and sound count together; subtitles are not read.
        """
        if self._video_s is not None:
            return self.duration_s, self._video_s
        read = {"video", "audio"}
        if self._container_s is None or any(stream.type not in read for stream in self._container.streams):
            return None
        return self._end_s - self._container_start_s, self._container_s

    @property
    def _container_start_s(self) -> float:
        return max(0, self._container.start_time or 0) / av.time_base

    @property
    def _container_s(self) -> float | None:
        """Length of the container; Matroska counts its duration from zero, wherever it starts."""
        if not self._container.duration:
            return None
        return max(0.0, self._container.duration / av.time_base - self._container_start_s)

    @property
    def duration_s(self) -> float:
        """End of the last decoded frame, counted from the first."""
        return 0.0 if self._last_s is None else self._last_s + self._frame_s

    @property
    def silenced(self) -> bool:
        """Is there sound in it, of which nothing could be decoded?"""
        unheard = self._sound_packets > 0 and not self._sound_s
        return unheard or (self.has_audio and self._listens and self._audio is None)

    def _lasting_s(self, told_s: float) -> float:
        """How long a frame is shown, where what is told of it can be."""
        return told_s if 0 < told_s <= self.limits.duration_s - (self._last_s or 0.0) else UNTOLD_S

    def __enter__(self) -> Media:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        self._container.close()
        self._file.close()

    def __iter__(self) -> Iterator[Frame | Chunk]:
        early: list[Chunk] = []  # sound in the container's clock, before the first picture tells where zero is
        early_s = 0.0
        for item in self._decoded():
            if isinstance(item, Frame) or self._start_s is not None:
                if early and self._start_s is not None:
                    yield from (Chunk(chunk.start_s - self._start_s, chunk.pcm) for chunk in early)
                    early.clear()
                if isinstance(item, Frame):
                    yield item
                else:
                    yield Chunk(item.start_s - (self._start_s or 0.0), item.pcm)
                continue
            early.append(item)
            early_s += len(item.pcm) / SAMPLE_RATE
            if early_s > EARLY_SOUND_S:
                raise DamagedMedia(f"{self.path}: no picture in the first {EARLY_SOUND_S:.0f} s of sound")
        if self._start_s is None:
            if self._video.width:
                raise DamagedMedia(f"{self.path}: not one frame could be decoded")
            raise DamagedMedia(  # where frames are too large, FFmpeg does not tell how large
                f"{self.path}: not one frame could be decoded, or they are larger than the {self.limits.pixels} pixels "
                "that are allowed",
                f"{DamagedMedia.advice} If its frames are that large, raise limits.pixels with --set.",
            )

    def _decoded(self) -> Iterator[Frame | Chunk]:
        """Frames (in the video's clock) and sound (in the container's clock), as the packets come."""
        resampler = Resampler()
        streams = [stream for stream in (self._video, self._audio) if stream is not None]
        for packet in self._packets(streams):
            if packet.stream is not self._video:
                yield from self._heard(self._sound(packet, resampler))
            elif self.pictures or self._start_s is None:
                yield from self._pictures(packet)
            if self.too_long:
                break
        yield from self._heard(self._last_sound(resampler))

    def _packets(self, streams: list[Any]) -> Iterator[Any]:
        open_streams = {stream.index: stream for stream in streams}  # those that were not flushed yet
        try:
            for packet in self._container.demux(streams):
                if not packet.size:
                    open_streams.pop(packet.stream.index, None)
                yield packet
            return
        except av.FFmpegError:  # the rest cannot be read; the flushing packets that demux sends at its end are missing
            self.damaged += 1
        except IndexError:  # PyAV would flush a stream as well that has come in the midst of the file
            pass
        for stream in open_streams.values():
            yield FlushOf(stream)

    def _pictures(self, packet: Any) -> Iterator[Frame]:
        try:
            frames = packet.decode()
        except av.FFmpegError:
            self.damaged += 1
            return
        for raw in frames:
            try:
                frame = self._place(raw)
            except (av.FFmpegError, ValueError):  # of a kind that cannot be converted
                self.damaged += 1
                continue
            if frame is not None:
                yield frame

    def _place(self, raw: av.VideoFrame) -> Frame | None:
        """Put a frame on the clock; None for one that does not come after the last."""
        at_s = raw.time if raw.time is not None else (self._last_s or 0.0) + (self._start_s or 0.0) + self._frame_s
        if self._start_s is None:
            self._start_s = at_s
            self._tick_s = float(raw.time_base or 0)
            turned = raw.rotation % 180 != 0
            self.width, self.height = (raw.height, raw.width) if turned else (raw.width, raw.height)
        time_s = at_s - self._start_s
        if not self._is_next(time_s):
            return None
        told_s = raw.duration * self._tick_s if raw.duration else self._frame_s
        if self._last_s is not None and not raw.duration:
            told_s = time_s - self._last_s
        self._last_s = time_s
        self._frame_s = self._lasting_s(told_s)
        self._end_s = max(self._end_s, at_s + self._frame_s)
        self.frames += 1
        if self._size is None:
            self._size = (raw.width, raw.height)
        elif (raw.width, raw.height) != self._size:  # it changed in mid-stream: players scale to the first size as well
            raw = self._reformatter.reformat(raw, *self._size, format="yuv420p", threads=1)
        return Frame(self._small(time_s, raw), raw, self._reformatter)

    def _is_next(self, time_s: float) -> bool:
        """Is it a frame to go on with? Broken timestamps are counted as damage."""
        last_s = self._last_s
        if last_s is None:
            return True
        if time_s >= self.limits.duration_s:
            if time_s - last_s < BROKEN_CLOCK_S:
                self.too_long = True
            else:
                self.damaged += 1
            return False
        if time_s < last_s - BACK_S:
            self.damaged += 1
        return time_s - last_s >= NEAR_S

    def _small(self, time_s: float, raw: av.VideoFrame) -> SmallFrame:
        planes, rotation = Planes(raw, self._reformatter), raw.rotation
        small_px, luma_px = self.settings.small_px, self.settings.luma_px
        packed = planes.packed(THUMB_PX)
        if self._thumb is None or self._packed is None or not _same(packed, self._packed):
            self._packed, self._thumb = packed, upright(to_bgr(packed), rotation)
        return SmallFrame(
            time_s,
            self._thumb,
            lambda: upright(to_bgr(planes.packed(small_px)), rotation),
            lambda: upright(planes.luma(luma_px), rotation),
        )

    def _sound(self, packet: Any, resampler: Resampler) -> list[Chunk]:
        self._sound_packets += 1
        try:
            return [chunk for frame in packet.decode() for chunk in resampler.push(frame)]
        except (av.FFmpegError, ArithmeticError, ValueError):
            self.damaged += 1
            return []

    def _last_sound(self, resampler: Resampler) -> list[Chunk]:
        try:
            return resampler.finish()
        except (av.FFmpegError, ArithmeticError, ValueError):
            self.damaged += 1
            return []

    def _heard(self, chunks: list[Chunk]) -> list[Chunk]:
        for chunk in chunks:
            sound_s = len(chunk.pcm) / SAMPLE_RATE
            self._end_s = max(self._end_s, chunk.start_s + sound_s)
            self._sound_s += sound_s
        self.too_long = self.too_long or self._sound_s > self.limits.duration_s
        return chunks


@dataclass(frozen=True)
class FlushOf:
    """Stands for the end of a stream whose file broke off."""

    stream: Any

    def decode(self) -> list[Any]:
        frames = list(self.stream.codec_context.decode(None))
        for frame in frames:  # a packet of the stream would have told them
            frame.time_base = self.stream.time_base
        return frames


def skip_loop_filter(media: Media) -> None:
    """Leave out deblocking: faster, and the small images do not show it."""
    context = media._video.codec_context
    context.options = {**context.options, "skip_loop_filter": "all"}


def _same(packed: Image, last: Image) -> bool:
    """Whether two pictures are one but for noise; compared with the last picture that was kept, nothing creeps by."""
    return packed.shape == last.shape and cv2.norm(packed, last, cv2.NORM_L1) <= SAME * packed.size
