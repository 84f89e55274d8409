"""Files that strangers may send: each a generator of one threat, small on disk and soon made."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from tests.clips import write_clip

Make = Callable[[Path], Path]


def moving(frames: int, width: int = 160, height: int = 120) -> Iterator[NDArray[np.uint8]]:
    for number in range(frames):
        image = np.full((height, width, 3), 60, np.uint8)
        cv2.circle(image, (20 + number * 3 % width, height // 2), 18, (80, 160, 240), -1)
        yield image


def tone(seconds: float, rate: int = 16_000) -> NDArray[np.int16]:
    return (8000 * np.sin(np.arange(int(seconds * rate)) * 0.2)).astype(np.int16)


def clip(path: Path, frames: int = 25, sound: bool = True, **more: object) -> Path:
    return write_clip(path, moving(frames), audio=tone(frames / 25) if sound else None, **more)  # type: ignore[arg-type]


# --- boxes of mp4 and mov


def box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body


def patched(path: Path, name: bytes, at: int, value: bytes, last: bool = False) -> Path:
    """Overwrite bytes at an offset after each box of a name (or after the last one); says so where none is there."""
    content = bytearray(path.read_bytes())
    places = []
    place = content.find(name)
    while place >= 0:
        places.append(place)
        place = content.find(name, place + 1)
    assert places, name
    for place in places[-1:] if last else places:
        content[place + len(name) + at : place + len(name) + at + len(value)] = value
    path.write_bytes(content)
    return path


# --- pictures of any size in few bytes


def png(width: int, height: int, depth: int = 1, colour: int = 0) -> bytes:
    """A black PNG; one of 16,384 x 16,384 has 33 kB with a bit a pixel."""
    line = b"\0" + bytes((width * depth * {0: 1, 2: 3, 6: 4}[colour] + 7) // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def packets(path: Path, codec: str, size: tuple[int, int], payloads: list[tuple[int, bytes]], fps: int = 25) -> Path:
    """Mux packets (pts in milliseconds, content) that no encoder of ours made."""
    with av.open(str(path), "w") as container:
        stream = container.add_mux_stream(codec, rate=fps, width=size[0], height=size[1])
        stream.time_base = Fraction(1, 1000)
        for pts, payload in payloads:
            packet = av.Packet(payload)
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = pts
            packet.is_keyframe = True
            container.mux(packet)
    return path
