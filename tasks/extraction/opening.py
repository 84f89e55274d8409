"""Opening a media file: what FFmpeg reads through, which formats it may be, and which stream holds the pictures.

A file is a stranger's: nothing that it names is opened (other files, addresses), and a picture that would be larger than
it may is refused by the decoder before there is memory for it.
"""

from __future__ import annotations

import errno
from io import FileIO
from pathlib import Path
from typing import Any

import av

from tasks.addresses import local_path
from tasks.errors import DamagedMedia, NoDecoder, NoPictures, NotAVideo, TooLarge, UnreadableSource
from tasks.settings import Limits, Sources
from tasks.sources.remote import RemoteFile

MOST_STREAMS = 1000  # of a container


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

    def seek(self, at: int, whence: int = 0, /) -> int:
        """A place that no file has, as a damaged one names it, is FFmpeg's to judge: its error, and none of the disk."""
        try:
            return super().seek(at, whence)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOVERFLOW):
                raise
            return -errno.EINVAL


def readable(path: Path | str, sources: Sources, content: str | None) -> SourceFile | RemoteFile:
    local = local_path(str(path))
    if local is None:
        return RemoteFile(str(path), sources, content)
    try:
        return SourceFile(local)
    except (FileNotFoundError, PermissionError) as error:
        raise UnreadableSource(f"{local}: {error.strerror}") from None


def opened(file: SourceFile | RemoteFile, path: str, sources: Sources, limits: Limits) -> Any:
    """The container. Its format is known from its content and must be in `sources.formats` before it is parsed."""
    options = {
        "format_whitelist": ",".join(sources.formats),
        "protocol_whitelist": "none",  # what a container names is never opened
        "enable_drefs": "0",
        "max_streams": str(MOST_STREAMS),
        "max_pixels": str(limits.pixels),  # of what is decoded to find out what the streams are
    }
    try:
        return av.open(file, options=options, metadata_errors="replace")
    except MemoryError:  # FFmpeg says so of more streams than it may make, too
        raise TooLarge(
            f"{path}: its header asks for more than {MOST_STREAMS} streams, or for more memory than there is",
            "No video needs that: leave the file out, or export it again.",
        ) from None
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


def video_stream(container: Any, path: str, limits: Limits) -> Any:
    """The best stream of moving pictures, set up for one thread and for pictures that are not too large."""
    moving = [stream for stream in container.streams.video if not stream.disposition & stream.disposition.attached_pic]
    if not moving:
        raise NoPictures(f"{path}: no video stream")
    streams = [stream for stream in moving if stream.codec_context is not None]
    if not streams:
        raise NoDecoder(f"{path}: no decoder for its video codec")
    stream = max(streams, key=lambda stream: (stream.width or 0) * (stream.height or 0))
    if stream.width * stream.height > limits.pixels:
        raise TooLarge(f"{path}: frames of {stream.width} x {stream.height}; {limits.pixels} pixels are allowed")
    stream.thread_type = "SLICE"
    stream.codec_context.thread_count = 1
    stream.codec_context.options = {"max_pixels": str(limits.pixels)}
    return stream


def audio_stream(container: Any) -> Any:
    """The best stream of sound that there is a decoder for, or None."""
    best = container.streams.best("audio")
    if best is not None and best.codec_context is not None:
        return best
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)
