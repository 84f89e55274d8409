"""Files that strangers may send: a maker for each threat, small on disk and soon made, and what must come of it."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import count
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from tests.clips import write_clip

FULL_32 = b"\xff" * 4
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Threat:
    """error: the type of its failure, None where there is nothing to say; kept: is what could be decoded in the tables?"""

    name: str
    make: Callable[[Path], object]
    error: str | None
    kept: bool = False


def moving(frames: int, width: int = 160, height: int = 120) -> Iterator[NDArray[np.uint8]]:
    """A ball that rolls across grey pictures, uint8 [height, width, 3]."""
    for number in range(frames):
        image = np.full((height, width, 3), 60, np.uint8)
        cv2.circle(image, (20 + number * 3 % width, height // 2), 18, (80, 160, 240), -1)
        yield image


def tone(seconds: float, rate: int = 16_000) -> NDArray[np.int16]:
    return (8000 * np.sin(np.arange(int(seconds * rate)) * 0.2)).astype(np.int16)


def clip(path: Path, sound: bool = True) -> Path:
    """A second of it, with a tone."""
    return write_clip(path, moving(25), audio=tone(1.0) if sound else None)


JPEGS = [cv2.imencode(".jpg", image)[1].tobytes() for image in moving(25, 64, 64)]


def jpegs(path: Path, times_ms: Sequence[int]) -> Path:
    """Pictures at any times."""
    return packets(path, "mjpeg", (64, 64), [(at_ms, JPEGS[index % 25]) for index, at_ms in enumerate(times_ms)])


def packets(path: Path, codec: str, size: tuple[int, int], payloads: Sequence[tuple[int, bytes]]) -> Path:
    """Packets (milliseconds, content) as they are given: no encoder would make them."""
    with av.open(str(path), "w") as container:
        stream = container.add_mux_stream(codec, rate=25, width=size[0], height=size[1])
        stream.time_base = Fraction(1, 1000)
        for at_ms, payload in payloads:
            put(container, stream, at_ms, payload)
    return path


def put(container: av.container.OutputContainer, stream: av.stream.Stream, at_ms: int, payload: bytes) -> None:
    packet = av.Packet(payload)
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = at_ms
    packet.is_keyframe = True
    container.mux(packet)


# boxes, elements and headers


def box(name: bytes, *parts: bytes) -> bytes:
    """Of mp4 and mov."""
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body


def element(name: bytes, *parts: bytes) -> bytes:
    """Of Matroska."""
    body = b"".join(parts)
    return name + (1 << 56 | len(body)).to_bytes(8, "big") + body


def patched(path: Path, name: bytes, at: int, value: bytes) -> Path:
    """Write over what follows each occurrence of a name, at an offset."""
    content = bytearray(path.read_bytes())
    place = content.index(name)
    while place >= 0:
        start = place + len(name) + at
        content[start : start + len(value)] = value
        place = content.find(name, place + 1)
    path.write_bytes(content)
    return path


def lying(make: Callable[[Path], object], name: bytes, at: int, value: bytes) -> Callable[[Path], object]:
    def made(path: Path) -> None:
        make(path)
        patched(path, name, at, value)

    return made


def renamed(old: bytes, new: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(clip(path).read_bytes().replace(old, new))


def halved(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def made(path: Path) -> None:
        make(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return made


def flipped(path: Path) -> None:
    """A bit in the midst of each picture."""
    content = bytearray(jpegs(path, range(0, 1000, 40)).read_bytes())
    for picture in JPEGS:
        content[content.index(picture) + len(picture) * 3 // 4] ^= 0x10
    path.write_bytes(content)


# bombs: few bytes, much memory or time


def png(width: int, height: int, depth: int = 8, channels: int = 3) -> bytes:
    """A black picture in some kilobytes, however large."""
    line = bytes(1 + (width * depth * channels + 7) // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def large(path: Path, told: tuple[int, int], *shown: tuple[int, int]) -> None:
    """Frames of any size; told: what the header says."""
    pictures = {size: png(*size, depth=1, channels=1) for size in set(shown)}
    packets(path, "png", told, [(40 * index, pictures[size]) for index, size in enumerate(shown)])


def packed_header(path: Path, megabytes: int) -> None:
    """A header (`moov`) that is packed a thousandfold, as QuickTime allows it."""
    packer = zlib.compressobj(9)
    start = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    body = start + again * (megabytes - 1)  # its checksum is wrong, which is known when all is unpacked
    packed = box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", struct.pack(">I", megabytes << 20), body))
    path.write_bytes(box(b"ftyp", b"qt  ", bytes(4), b"qt  ") + box(b"moov", packed))


def looping(path: Path, frames: int, fps: float = 25) -> None:
    """mov: so many frames in four bytes each, all of them the same place of the file."""
    jpegs(path, [0])
    content = path.read_bytes()
    at = content.index(b"stbl") - 4
    (size,) = struct.unpack_from(">I", content, at)
    told = content.index(b"stsd") - 4
    (length,) = struct.unpack_from(">I", content, told)
    place = content.index(JPEGS[0])
    tables = (
        box(b"stts", struct.pack(">IIII", 0, 1, frames, round(1000 / fps))),
        box(b"stsc", struct.pack(">IIIII", 0, 1, 1, 1, 1)),
        box(b"stsz", struct.pack(">III", 0, len(JPEGS[0]), frames)),
        box(b"stco", struct.pack(">II", 0, frames), struct.pack(">I", place) * frames),
    )
    grow(path, at, size, box(b"stbl", content[told : told + length], *tables), (b"minf", b"mdia", b"trak", b"moov"))
    patched(path, b"mdhd", 12, struct.pack(">I", 1000))
    patched(path, b"edts", -4, b"free")  # it would end with the one frame that there was


def grow(path: Path, at: int, size: int, box_now: bytes, parents: Sequence[bytes]) -> None:
    """Put a box in the place of another, near the end of the file, and tell the boxes that it lies in."""
    content = path.read_bytes()
    grown = bytearray(content[:at] + box_now + content[at + size :])
    for name in parents:
        start = grown.index(name) - 4
        struct.pack_into(">I", grown, start, struct.unpack_from(">I", grown, start)[0] + len(box_now) - size)
    path.write_bytes(grown)


def many_tracks(path: Path, tracks: int) -> None:
    """mp4: the same track again and again."""
    content = clip(path, sound=False).read_bytes()
    at = content.index(b"moov") - 4
    (size,) = struct.unpack_from(">I", content, at)
    moov = content[at : at + size]
    first = moov.index(b"trak") - 4
    (length,) = struct.unpack_from(">I", moov, first)
    more = moov[8:first] + moov[first : first + length] * tracks
    path.write_bytes(content[:at] + box(b"moov", more) + content[at + size :])


def many_entries(path: Path, tracks: int) -> None:
    """Matroska: so many entries in the list of tracks, and pictures for the first."""

    def number(name: bytes, value: int) -> bytes:
        return element(name, value.to_bytes(4, "big"))

    def entry(index: int) -> bytes:
        size = element(b"\xe0", number(b"\xb0", 64), number(b"\xba", 64))
        kind = number(b"\x83", 1) + element(b"\x86", b"V_MJPEG")
        return element(b"\xae", number(b"\xd7", index), number(b"\x73\xc5", index), kind, size)

    listed = element(b"\x16\x54\xae\x6b", *(entry(index + 1) for index in range(tracks)))
    blocks = [element(b"\xa3", b"\x81", struct.pack(">hB", 40 * index, 0x80), JPEGS[index]) for index in range(5)]
    segment = element(b"\x18\x53\x80\x67", listed, element(b"\x1f\x43\xb6\x75", number(b"\xe7", 0), *blocks))
    path.write_bytes(element(b"\x1a\x45\xdf\xa3", element(b"\x42\x82", b"matroska")) + segment)


# sound


def sounding(path: Path, blocks: int = 4, block: int = 16_000, step: int | None = None) -> None:
    """A picture and a block of samples at a time. step: samples from one block to the next, as their times say."""
    with av.open(str(path), "w") as container:
        pictures = container.add_mux_stream("mjpeg", rate=25, width=64, height=64)
        pictures.time_base = Fraction(1, 1000)
        sound = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        assert isinstance(sound, av.AudioStream)
        for index in range(blocks):
            put(container, pictures, 1000 * index, JPEGS[index % 25])
            frame = av.AudioFrame.from_ndarray(tone(block / 16_000)[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, index * (step or block), Fraction(1, 16_000)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


def at_rate(hertz: float) -> Callable[[Path], object]:
    return lying(partial(sounding, block=60_000), b"\xb5\x88", 0, struct.pack(">d", hertz))


def with_channels(channels: int) -> Callable[[Path], object]:
    return lying(sounding, b"\x9f\x81", 0, bytes([channels]))


def lasting(seconds: float) -> Callable[[Path], object]:
    """Matroska's duration, in milliseconds."""
    return lying(sounding, b"\x44\x89\x88", 0, struct.pack(">d", 1000 * seconds))


# streams beside the pictures


def with_company(path: Path) -> None:
    """Subtitles with markup, and an attachment."""
    with av.open(str(path), "w") as container:
        pictures = container.add_mux_stream("mjpeg", rate=25, width=64, height=64)
        container.add_attachment("font.ttf", "application/x-truetype-font", bytes(200_000))
        words = container.add_mux_stream("subrip")
        for stream in (pictures, words):
            stream.time_base = Fraction(1, 1000)
        for index in range(25):
            put(container, pictures, 40 * index, JPEGS[index])
            put(container, words, 40 * index, b"<script>alert(1)</script>")


def words_alone(path: Path) -> None:
    packets(path, "subrip", (0, 0), [(0, b"words")])


def sound_alone(path: Path) -> None:
    with av.open(str(path), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        assert isinstance(sound, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(tone(1.0)[None], format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux([*sound.encode(frame), *sound.encode(None)])


def avi_rate(scale: int, rate: int, frames: int = 30) -> Callable[[Path], object]:
    """An AVI whose frames last scale / rate seconds, as its header says."""
    return lying(partial(jpegs, times_ms=range(0, 40 * frames, 40)), b"strh", 24, struct.pack("<II", scale, rate))


def rolling(every_ms: int, frames: int) -> Callable[[Path], object]:
    return partial(jpegs, times_ms=range(0, every_ms * frames, every_ms))


THREATS = (
    Threat("cut-short.mp4", halved(clip), "DamagedMedia"),
    Threat("cut-short.mkv", halved(rolling(40, 250)), "DamagedMedia", kept=True),
    Threat("flipped.mkv", flipped, None, kept=True),
    Threat("empty-box.mp4", lambda path: path.write_bytes(box(b"ftyp", b"isom")), "DamagedMedia"),
    Threat("zeros.mp4", lambda path: path.write_bytes(bytes(100_000)), "NotAVideo"),
    Threat("no-frames.mp4", lying(clip, b"stsz", 8, bytes(4)), "DamagedMedia"),
    Threat("sound-alone.mkv", sound_alone, "NoPictures"),
    Threat("words-alone.mkv", words_alone, "NoPictures"),
    Threat("words-and-font.mkv", with_company, None, kept=True),
    Threat("unknown-codec.mp4", renamed(b"avc1", b"zzz9"), "NoDecoder"),
    Threat("unknown-codec.mkv", renamed(b"V_MPEG4/ISO/AVC", b"V_MPEG9/ISO/AVC"), "NoDecoder"),
    Threat("encrypted.mp4", renamed(b"avc1", b"encv"), "NoDecoder"),
    Threat("unknown-sound.mkv", renamed(b"A_AAC", b"A_AAX"), "DamagedMedia", kept=True),
    # pictures
    Threat("16k.mov", lambda path: large(path, (16_384, 16_384), (16_384, 16_384)), "DamagedMedia"),
    Threat("15k.mov", lambda path: large(path, (15_000, 15_000), *[(15_000, 15_000)] * 3), "DamagedMedia"),
    Threat("15k-untold.mov", lambda path: large(path, (64, 64), *[(15_000, 15_000)] * 3), "DamagedMedia"),
    Threat("15k-later.mov", lambda path: large(path, (64, 64), (64, 64), (15_000, 15_000), (64, 64)), None, kept=True),
    Threat("8k.mov", lambda path: large(path, (7680, 4320), *[(7680, 4320)] * 3), None, kept=True),
    Threat("1-pixel.mov", lambda path: large(path, (1, 1), *[(1, 1)] * 25), None, kept=True),
    Threat("1-row.mov", lambda path: large(path, (16_000, 1), *[(16_000, 1)] * 5), None, kept=True),
    Threat("1-column.mov", lambda path: large(path, (1, 16_000), *[(1, 16_000)] * 5), None, kept=True),
    Threat("turned-by-nothing.mp4", lying(clip, b"tkhd", 40, bytes(36)), None, kept=True),
    Threat("turned-by-anything.mp4", lying(clip, b"tkhd", 40, bytes(range(1, 37))), None, kept=True),
    # headers
    Threat("header-16k.mp4", lying(clip, b"avc1", 24, struct.pack(">HH", 16_384, 16_384)), None, kept=True),
    Threat("packed-header.mov", partial(packed_header, megabytes=1900), "MemoryExceeded"),
    Threat("larger-header.mov", partial(packed_header, megabytes=3000), "TooLarge"),
    Threat("100000-tracks.mp4", partial(many_tracks, tracks=100_000), "TooLarge"),
    Threat("100000-tracks.mkv", partial(many_entries, tracks=100_000), None, kept=True),
    Threat("100-million-frames.mp4", lying(clip, b"stsz", 4, struct.pack(">II", 1, 100_000_000)), "DamagedMedia"),
    # time
    Threat("long-header.mp4", lying(clip, b"mvhd", 16, FULL_32), None, kept=True),
    Threat("long-header.mkv", lasting(1e9), "DamagedMedia", kept=True),
    Threat("negative-header.mkv", lasting(-1e9), None, kept=True),
    Threat("nan-header.mkv", lasting(math.nan), "DamagedMedia", kept=True),
    Threat("endless-header.mkv", lasting(math.inf), "DamagedMedia", kept=True),
    Threat("no-timescale.mp4", lying(clip, b"mdhd", 12, bytes(4)), None, kept=True),
    Threat("frames-of-days.mp4", lying(clip, b"stts", 12, b"\x7f" + b"\xff" * 3), "DamagedMedia", kept=True),
    Threat("frames-backwards.mp4", lying(clip, b"stts", 12, FULL_32), None, kept=True),
    Threat("frames-of-70-years.avi", avi_rate(2**31 - 1, 1), "DamagedMedia", kept=True),
    Threat("frames-of-no-time.avi", avi_rate(0, 0), None, kept=True),
    Threat("million-fps.avi", avi_rate(1, 1_000_000, frames=3000), None, kept=True),
    Threat("second-frame-in-30-years.mkv", partial(jpegs, times_ms=[0, 10**12]), "DamagedMedia", kept=True),
    Threat("second-frame-at-the-end-of-time.mkv", partial(jpegs, times_ms=[0, 2**42]), "DamagedMedia", kept=True),
    Threat("looping.mov", partial(looping, frames=3000), None, kept=True),
    Threat("looping-for-a-day.mov", partial(looping, frames=10_000, fps=0.1), "TooLong", kept=True),
    Threat("hours-on-end.mkv", rolling(HOUR_MS - 1000, 200), "TooLong", kept=True),
    # sound
    *(
        Threat(f"{hertz:.0f}-hertz.mkv", at_rate(hertz), "DamagedMedia", kept=True)
        for hertz in (0.0, 1.0, 1e9, 2**31 - 1)
    ),
    *(
        Threat(f"{name}-hertz.mkv", at_rate(hertz), None, kept=True)
        for name, hertz in (("nan", math.nan), ("less", -5.0))
    ),
    *(
        Threat(f"{number}-channels.mkv", with_channels(number), "DamagedMedia", kept=True)
        for number in (0, 64, 192, 255)
    ),
    Threat("sound-in-jumps.mkv", partial(sounding, blocks=2000, block=160, step=16_000 * 3500), None, kept=True),
    Threat("sound-in-30-years.mkv", partial(sounding, block=1600, step=16_000 * 10**9), None, kept=True),
)


# what names other files


def playlists(where: str) -> dict[str, bytes]:
    """Under names of videos; where: a path or an address that must not be opened."""
    mpd = f'<Period><AdaptationSet mimeType="video/mp4"><Representation id="1"><BaseURL>{where}</BaseURL>'
    return {
        "hls.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{where}\n#EXT-X-ENDLIST\n".encode(),
        "concat.mkv": f"ffconcat version 1.0\nfile '{where}'\n".encode(),
        "dash.mp4": f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">{mpd}'.encode(),
        "session.mov": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "data.ts": b"#EXTM3U\n#EXTINF:1,\ndata:video/mp2t;base64,R0AAEAAAsA0AAcEAAAAB8AAqsQSy\n",
        "list.webm": f"[playlist]\nFile1={where}\nNumberOfEntries=1\n".encode(),
    }


def referring(path: Path, where: str, alias: bool) -> Path:
    """An mp4 whose pictures lie in another file, as it says: by address, or by QuickTime's alias."""
    content = clip(path, sound=False).read_bytes()
    at = content.index(b"dref") - 4
    (size,) = struct.unpack_from(">I", content, at)
    target = b"V" + where.replace("/", ":").encode()
    place = struct.pack(">hH", 2, len(target)) + target + bytes(len(target) % 2) + struct.pack(">hH", -1, 0)
    head = bytes(14) + b"\1V" + bytes(26 + 12) + b"\5x.mp4" + bytes(58 + 16) + struct.pack(">HH", 1, 1) + bytes(16)
    entry = box(b"alis", head, place) if alias else box(b"url ", bytes(4), where.encode() + b"\0")
    made = box(b"dref", struct.pack(">II", 0, 1), entry)
    grow(path, at, size, made, (b"dinf", b"minf", b"mdia", b"trak", b"moov"))
    return path


def numbered(folder: Path, threats: Sequence[Threat] = THREATS) -> Iterator[tuple[Threat, Path]]:
    """Make them all."""
    for number, threat in zip(count(), threats):
        path = folder / f"{number:02}-{threat.name}"
        threat.make(path)
        yield threat, path
