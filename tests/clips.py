"""A small video writer: frames (and a mono or stereo track) in, a file that players and decoders agree about out."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import chain, count
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

#: Ticks per second of the time stamps where frame times are given: fine enough for any rate, as MPEG has it.
PTS_RATE = 90_000
_AUDIO_BLOCK = 1024  # samples given to the encoder at a time
_AUDIO_CODECS = {".mp4": "aac", ".mov": "aac", ".webm": "libopus", ".mkv": "aac", ".avi": "mp3"}


def write_clip(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    fps: float | Fraction = 25,
    audio: NDArray[np.int16] | None = None,
    rate: int = 16_000,
    codec: str = "libx264",
    pts: Sequence[float] | None = None,
    crf: int = 23,
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    audio_bit_rate: int = 64_000,
) -> Path:
    """Write a clip and return its path; the container follows from the path's suffix (mp4, mov, mkv, webm, avi).

    frames: uint8 [height, width, 3] BGR, one shape throughout; yuv420p wants even sides.
    audio: int16 [samples] or [samples, channels] at `rate` Hz (libopus takes 48000 and 16000, among others); None
        writes no audio stream at all, zeros write digital silence.
    pts: seconds of each frame from the start of the container, rising, one per frame; `fps` is then nominal only.
        Without it frame n is shown at n / fps. The last frame lasts 1 / fps.
    options: more options of the video encoder.
    The same input gives the same clip; not always the same bytes, for x264 looks at memory it did not fill.
    """
    frame_rate = Fraction(fps).limit_denominator(1001)
    time_base = Fraction(1, PTS_RATE) if pts is not None else 1 / frame_rate
    ticks = [round(time / time_base) for time in pts] if pts is not None else None
    images = iter(frames)
    first = next(images)
    height, width = first.shape[:2]

    with av.open(str(path), "w", container_options={"fflags": "+bitexact"}) as container:
        video = container.add_stream(codec, rate=frame_rate)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = width, height, pix_fmt
        video.codec_context.time_base = time_base
        video.codec_context.thread_count = 1
        if ticks is not None:
            video.codec_context.max_b_frames = 0  # reordered frames make the muxer misjudge an uneven track's length
        video.options = {"crf": str(crf), **(options or {})}
        if codec.startswith("libvpx"):
            video.bit_rate = 0  # constant quality
        sound = (
            _Track(container, audio, rate, audio_bit_rate, _AUDIO_CODECS[path.suffix.lower()])
            if audio is not None
            else None
        )

        for image, tick in zip(chain([first], images), count() if ticks is None else ticks, strict=ticks is not None):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
            frame.pts, frame.time_base = tick, time_base
            if sound:
                sound.write_until(float(tick * time_base))
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound:
            sound.finish()
    return path


def turn_clip(path: Path, degrees: int) -> Path:
    """Mark an mp4 or mov, in place, to be shown turned clockwise by 90, 180 or 270 degrees, as a phone does.

    The stored pictures stay as they are; the display matrix of the video track (ISO 14496-12, `tkhd`) is written.
    """
    turns = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
    a, b, c, d = (value << 16 for value in turns[degrees])
    content = bytearray(path.read_bytes())
    at = content.find(b"tkhd")
    while at >= 0:
        # after the name: version and flags, times, track id and duration (32 or 64 bits), then 16 bytes to the matrix
        matrix_at = at + 4 + (36 if content[at + 4] == 0 else 48) + 4
        if content[matrix_at - 4 : matrix_at - 2] == b"\0\0":  # volume 0: a track of pictures
            struct.pack_into(">9i", content, matrix_at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
        at = content.find(b"tkhd", at + 4)
    path.write_bytes(content)
    return path


class _Track:
    """The audio stream, written in step with the pictures so that the file interleaves."""

    def __init__(
        self, container: av.container.OutputContainer, audio: NDArray[np.int16], rate: int, bit_rate: int, codec: str
    ) -> None:
        samples = audio.reshape(len(audio), -1)
        layout = "mono" if samples.shape[1] == 1 else "stereo"
        self.container, self.rate, self.layout = container, rate, layout
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = bit_rate
        self.stream = stream
        self.blocks = iter(
            (start, samples[start : start + _AUDIO_BLOCK]) for start in range(0, len(samples), _AUDIO_BLOCK)
        )
        self.written_s = 0.0

    def write_until(self, time_s: float) -> None:
        while self.written_s <= time_s and (block := next(self.blocks, None)):
            self._write(*block)

    def finish(self) -> None:
        for block in self.blocks:
            self._write(*block)
        self.container.mux(self.stream.encode(None))

    def _write(self, start: int, samples: NDArray[np.int16]) -> None:
        packed = np.ascontiguousarray(samples.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=self.layout)
        frame.sample_rate, frame.pts, frame.time_base = self.rate, start, Fraction(1, self.rate)
        self.container.mux(self.stream.encode(frame))
        self.written_s = (start + len(samples)) / self.rate
