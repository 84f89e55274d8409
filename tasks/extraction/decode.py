"""One open, one demux, one decode: pictures and sound of a file in one pass, on one clock.

Times come from timestamps (PTS) and count from the first shown frame; frames are upright (display matrix applied).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import cv2
from av.video.reformatter import VideoReformatter

from tasks.addresses import local_path, masked
from tasks.errors import DamagedMedia, NoPictures, NotAVideo, UnreadableSource
from tasks.extraction.frames import Image, SmallFrame
from tasks.extraction.pcm import SAMPLE_RATE, Chunk, Resampler
from tasks.extraction.planes import Planes, to_bgr, upright
from tasks.remote import RemoteFile
from tasks.settings import Decode, Sources

__all__ = ["Chunk", "Frame", "Media", "skip_loop_filter"]

THUMB_PX = 128  # longest side of the picture in which changes are seen
SAME = 0.02  # mean difference (0..255) of two such pictures below which they are one
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

    After the iteration `duration_s`, `frames` and `damaged` say what was found.
    path: a local path, or the address of a remote file as str; content: the identity that a remote one must still have.
    Raises NotAVideo, NoPictures, DamagedMedia or UnreadableSource, each naming the file; while it is read, also the
    disk's own errors.
    """

    def __init__(
        self,
        path: Path | str,
        sources: Sources,
        settings: Decode,
        pictures: bool = True,
        sound: bool = True,
        content: str | None = None,
    ) -> None:
        self.path = masked(str(path))
        self.settings = settings
        self.pictures = pictures  # False: only the first picture is decoded, for the clock
        self._file = _readable(path, sources, content)
        try:
            self._container = _open(self._file, self.path, sources)
        except BaseException:
            self._file.close()
            raise
        try:
            self._video = _video_stream(self._container, self.path)
            self._audio = self._container.streams.best("audio") if sound else None
        except Exception:
            self._close()
            raise
        self.has_audio = bool(self._container.streams.audio)
        self.width = self.height = 0
        self._size: tuple[int, int] | None = None  # of the first frame, as stored
        self.frames = self.damaged = 0
        self.fps = float(self._video.average_rate) if self._video.average_rate else None
        self._start_s: float | None = None
        self._last_s: float | None = None
        self._end_s = 0.0  # of all that was decoded, in the container's clock
        self._frame_s = 1 / self.fps if self.fps else 1 / 25
        self._tick_s = 0.0
        self._reformatter = VideoReformatter()
        self._packed: Image | None = None  # the last thumb, as I420 and as BGR
        self._thumb: Image | None = None

    @property
    def expected_duration_s(self) -> float | None:
        """What the header lets expect, for windows and progress; a hint, never a measurement."""
        if self._video.duration and self._video.time_base:
            return float(self._video.duration * self._video.time_base)
        return self._container_s

    @property
    def missing_s(self) -> tuple[float, float] | None:
        """How much was decoded and how much the header promised, in seconds; None where the header does not tell.

        A container's own duration covers all its streams, so pictures and sound count together; subtitles are not read.
        """
        if self._video.duration and self._video.time_base:
            return self.duration_s, float(self._video.duration * self._video.time_base)
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
            raise DamagedMedia(f"{self.path}: not one frame could be decoded")

    def _decoded(self) -> Iterator[Frame | Chunk]:
        """Frames (in the video's clock) and sound (in the container's clock), as the packets come."""
        resampler = Resampler()
        streams = [stream for stream in (self._video, self._audio) if stream is not None]
        for packet in self._packets(streams):
            if packet.stream is not self._video:
                yield from self._heard(self._sound(packet, resampler))
            elif self.pictures or self._start_s is None:
                yield from self._pictures(packet)
        yield from self._heard(resampler.finish())

    def _packets(self, streams: list[Any]) -> Iterator[Any]:
        try:
            yield from self._container.demux(streams)
        except av.FFmpegError:  # the rest cannot be read; the flushing packets that demux sends at its end are missing
            self.damaged += 1
            for stream in streams:
                yield FlushOf(stream)

    def _pictures(self, packet: Any) -> Iterator[Frame]:
        try:
            frames = packet.decode()
        except av.FFmpegError:
            self.damaged += 1
            return
        for raw in frames:
            frame = self._place(raw)
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
        if self._last_s is not None:
            if time_s <= self._last_s:
                return None
            self._frame_s = time_s - self._last_s
        if raw.duration:
            self._frame_s = raw.duration * self._tick_s
        self._last_s = time_s
        self._end_s = max(self._end_s, at_s + self._frame_s)
        self.frames += 1
        if self._size is None:
            self._size = (raw.width, raw.height)
        elif (raw.width, raw.height) != self._size:  # it changed in mid-stream: players scale to the first size as well
            raw = self._reformatter.reformat(raw, *self._size, format="yuv420p", threads=1)
        return Frame(self._small(time_s, raw), raw, self._reformatter)

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
        try:
            return [chunk for frame in packet.decode() for chunk in resampler.push(frame)]
        except (av.FFmpegError, ValueError):
            self.damaged += 1
            return []

    def _heard(self, chunks: list[Chunk]) -> list[Chunk]:
        for chunk in chunks:
            self._end_s = max(self._end_s, chunk.start_s + len(chunk.pcm) / SAMPLE_RATE)
        return chunks


@dataclass(frozen=True)
class FlushOf:
    """Stands for the end of a stream whose file broke off."""

    stream: Any

    def decode(self) -> list[Any]:
        return list(self.stream.codec_context.decode(None))


class SourceFile(FileIO):
    """The file that FFmpeg reads through: an error of the disk comes from it as it is, and is not taken for damage."""

    failed = False

    def read(self, size: int | None = -1, /) -> bytes:
        if self.failed:  # PyAV raises the first error, a little later, and would print the traceback of any other
            return b""
        try:
            return super().read(size)
        except OSError:
            self.failed = True
            raise


def _readable(path: Path | str, sources: Sources, content: str | None) -> SourceFile | RemoteFile:
    local = local_path(str(path))
    if local is None:
        return RemoteFile(str(path), sources, content)
    try:
        return SourceFile(local)
    except (FileNotFoundError, PermissionError) as error:
        raise UnreadableSource(f"{local}: {error.strerror}") from None


def _open(file: SourceFile | RemoteFile, path: str, sources: Sources) -> Any:
    # a container may name other files: none is opened
    options = {"protocol_whitelist": "none", "format_whitelist": ",".join(sources.formats)}
    try:
        return av.open(file, options=options, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        file.seek(0)
        head = file.read(64)
        riff = head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"WAVE")  # and not WebP
        if riff or head[4:8] == b"ftyp" or head[:4] in (b"\x1aE\xdf\xa3", b"OggS"):
            raise DamagedMedia(
                f"{path}: the container cannot be read ({reason}); the end of the file may be missing"
            ) from None
        raise NotAVideo(f"{path}: not a media file ({reason})") from None


def _video_stream(container: Any, path: str) -> Any:
    """The best stream of moving pictures, set up for one thread."""
    streams = [stream for stream in container.streams.video if not stream.disposition & stream.disposition.attached_pic]
    if not streams:
        raise NoPictures(f"{path}: no video stream")
    stream = max(streams, key=lambda stream: (stream.width or 0) * (stream.height or 0))
    if stream.codec_context is None:
        raise DamagedMedia(f"{path}: no decoder for its video codec", "Re-encode the file as h264 mp4 with ffmpeg.")
    stream.thread_type = "SLICE"
    stream.codec_context.thread_count = 1
    return stream


def skip_loop_filter(media: Media) -> None:
    """Leave out deblocking: faster, and the small images do not show it."""
    media._video.codec_context.options = {"skip_loop_filter": "all"}


def _same(packed: Image, last: Image) -> bool:
    """Whether two pictures are one but for noise; compared with the last picture that was kept, nothing creeps by."""
    return packed.shape == last.shape and cv2.norm(packed, last, cv2.NORM_L1) <= SAME * packed.size
