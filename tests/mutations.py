"""Mutations of media files, by a seeded generator: bits, bytes, numbers, slices, and the boxes that a container is made of."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

Unit = tuple[int, int]  # where a box, element, chunk, tag, packet or page begins and ends

#: What programs compare with, overflow at and divide by.
NUMBERS = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    1 << 62,
    (1 << 64) - 1,
)
PARENT_BOXES = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"dinf", b"moof", b"traf", b"mvex"}
FIELDS = (
    b"mvhd",
    b"tkhd",
    b"mdhd",
    b"hdlr",
    b"stsd",
    b"stts",
    b"ctts",
    b"stsc",
    b"stsz",
    b"stco",
    b"stss",
    b"elst",
    b"trun",
)
#: EBML: Segment, SeekHead, Info, Tracks, TrackEntry, Video, Audio, Cluster, BlockGroup, Cues, CuePoint.
PARENT_ELEMENTS = {
    bytes.fromhex(name)
    for name in ("18538067", "114d9b74", "1549a966", "1654ae6b", "ae", "e0", "e1", "1f43b675", "a0", "1c53bb6b", "bb")
}


def boxes(content: bytes, start: int = 0, end: int | None = None) -> Iterator[Unit]:
    """Of mp4 and mov, with what is in them."""
    end = len(content) if end is None else end
    while start + 8 <= end:
        size, name = int.from_bytes(content[start : start + 4], "big"), content[start + 4 : start + 8]
        stop = min(end, start + size) if size >= 8 else end
        yield start, stop
        if name in PARENT_BOXES:
            yield from boxes(content, start + 8, stop)
        start = stop


def elements(content: bytes, start: int = 0, end: int | None = None) -> Iterator[Unit]:
    """Of Matroska and WebM, with what is in them."""
    end = len(content) if end is None else end
    while start + 2 <= end and content[start]:
        named = start + 9 - content[start].bit_length()
        if named >= end or not content[named]:
            return
        length = 9 - content[named].bit_length()
        told = int.from_bytes(content[named : named + length], "big") & ((1 << 7 * length) - 1)
        stop = min(end, named + length + told) if told != (1 << 7 * length) - 1 else end
        yield start, stop
        if content[start:named] in PARENT_ELEMENTS:
            yield from elements(content, named + length, stop)
        start = stop


def chunks(content: bytes, start: int = 0, end: int | None = None) -> Iterator[Unit]:
    """Of AVI and WAVE, with what is in them."""
    end = len(content) if end is None else end
    while start + 8 <= end:
        stop = min(end, start + 8 + int.from_bytes(content[start + 4 : start + 8], "little"))
        yield start, stop
        if content[start : start + 4] in (b"RIFF", b"LIST"):
            yield from chunks(content, start + 12, stop)
        start = stop + stop % 2


def tags(content: bytes) -> Iterator[Unit]:
    """Of FLV."""
    start = 13
    while start + 11 <= len(content):
        stop = min(len(content), start + 15 + int.from_bytes(content[start + 1 : start + 4], "big"))
        yield start, stop
        start = stop


def transport_packets(content: bytes) -> Iterator[Unit]:
    return ((start, start + 188) for start in range(0, len(content) - 187, 188))


def marked(pattern: bytes) -> Callable[[bytes], Iterator[Unit]]:
    """What is between one mark and the next: pages of Ogg, packs of MPEG."""

    def units(content: bytes) -> Iterator[Unit]:
        return pairwise([*(found.start() for found in re.finditer(pattern, content, re.DOTALL)), len(content)])

    return units


UNITS: dict[str, Callable[[bytes], Iterator[Unit]]] = {
    **dict.fromkeys((".mp4", ".mov", ".m4v", ".3gp"), boxes),
    **dict.fromkeys((".mkv", ".webm"), elements),
    ".avi": chunks,
    ".flv": tags,
    ".ts": transport_packets,
    ".ogv": marked(b"OggS"),
    ".mpg": marked(rb"\x00\x00\x01[\xb9-\xff]"),
    ".wmv": marked(rb"[\x30-\xa1\x33]\x26\xb2\x75|\x82\x00\x00"),
}


def bits(content: bytearray, chance: random.Random, units: Sequence[Unit]) -> None:
    for _ in range(chance.choice((1, 8, 64, 512))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def head_bits(content: bytearray, chance: random.Random, units: Sequence[Unit]) -> None:
    """Where headers are: at either end."""
    for _ in range(chance.choice((1, 4, 16))):
        at = chance.randrange(min(2000, len(content)))
        content[at if chance.random() < 0.5 else -1 - at] ^= 1 << chance.randrange(8)


def run_of_bytes(content: bytearray, chance: random.Random, units: Sequence[Unit]) -> None:
    start, length = chance.randrange(len(content)), min(len(content), 1 << chance.randrange(13))
    kind = chance.choice((b"\0", b"\xff", b""))
    end = min(len(content), start + length)
    content[start:end] = kind * (end - start) if kind else chance.randbytes(end - start)


def number(content: bytearray, chance: random.Random, units: Sequence[Unit]) -> None:
    """A number of a header becomes one that is hard to bear: early in some unit, or of a box of tables."""
    for _ in range(chance.choice((1, 1, 2, 8))):
        start, end = chance.choice(units) if units else (0, len(content))
        named = [found for name in FIELDS if (found := content.find(name)) >= 0]
        if named and chance.random() < 0.5:
            start, end = chance.choice(named) + 4, len(content)
        width = chance.choice((1, 2, 4, 4, 8))
        at = min(start + chance.randrange(min(100, max(1, end - start))), len(content) - width)
        value = chance.choice(NUMBERS) & ((1 << 8 * width) - 1)
        content[at : at + width] = value.to_bytes(width, chance.choice(("big", "little")))


def cut(content: bytearray, chance: random.Random, units: Sequence[Unit]) -> None:
    del content[chance.randrange(1, len(content)) :]


def hole(content: bytearray, chance: random.Random, units: Sequence[Unit]) -> None:
    start = chance.randrange(len(content))
    del content[start : start + (1 << chance.randrange(14))]


def repeated(content: bytearray, chance: random.Random, units: Sequence[Unit]) -> None:
    """A slice again and again."""
    start = chance.randrange(len(content))
    again = content[start : start + (1 << chance.randrange(12))]
    content[start:start] = again * chance.choice((1, 2, 16, 256))


def unit_gone(content: bytearray, chance: random.Random, units: Sequence[Unit]) -> None:
    start, end = chance.choice(units)
    del content[start:end]


def unit_again(content: bytearray, chance: random.Random, units: Sequence[Unit]) -> None:
    start, end = chance.choice(units)
    again = bytes(content[start:end])
    content[end:end] = again * chance.choice((1, 1, 2, max(1, min(1000, 1_000_000 // max(1, len(again))))))


def unit_moved(content: bytearray, chance: random.Random, units: Sequence[Unit]) -> None:
    start, end = chance.choice(units)
    moved = bytes(content[start:end])
    del content[start:end]
    at = min(chance.choice(units)[0], len(content))
    content[at:at] = moved


def unit_filled(content: bytearray, chance: random.Random, units: Sequence[Unit]) -> None:
    start, end = chance.choice(units)
    first = min(end, start + chance.choice((4, 8, 12, 16)))
    content[first:end] = chance.randbytes(end - first)


def unit_resized(content: bytearray, chance: random.Random, units: Sequence[Unit]) -> None:
    """Its size or its name says something else."""
    start, _ = chance.choice(units)
    at = min(start + chance.randrange(8), len(content) - 1)
    content[at] = chance.randrange(256)


MUTATIONS = {
    made.__name__: made
    for made in (
        bits,
        head_bits,
        run_of_bytes,
        number,
        cut,
        hole,
        repeated,
        unit_gone,
        unit_again,
        unit_moved,
        unit_filled,
        unit_resized,
    )
}


def mutated(content: bytes, suffix: str, kind: str, chance: random.Random) -> bytes:
    """The content after one mutation. suffix: of its name, which says how its units are found."""
    changed = bytearray(content)
    units = list(UNITS[suffix](content)) or [(0, len(content))]
    MUTATIONS[kind](changed, chance, units)
    return bytes(changed)


def spliced(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """The start of one file and the end of another."""
    return content[: chance.randrange(1, len(content))] + other[chance.randrange(len(other)) :]
