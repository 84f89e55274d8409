"""Extraction of one video: one pass, one clock, upright frames, and whatever strangers' files are like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.errors import DamagedMedia, NoPictures, NotAVideo
from tasks.extraction import group, opening, video
from tasks.extraction.decode import Chunk, Frame, Media
from tasks.extraction.group import Group
from tasks.extraction.ocr import choose_ocr
from tasks.extraction.speech import choose_speech
from tasks.extraction.video import Job, extract
from tasks.records import Decoded, Speech, StageOutcome, Texts
from tasks.settings import Settings, load_settings
from tests.clips import write_clip

MEDIA = Path(__file__).resolve().parents[2] / "shared" / "media"
SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"
SETTINGS = Settings()
needs_media = pytest.mark.skipif(not MEDIA.is_dir(), reason=f"no real clips at {MEDIA}")


def job(
    path: Path,
    stages: tuple[str, ...] = ("decode", "text", "speech"),
    settings: Settings = SETTINGS,
    spool: Path | None = None,
) -> Job:
    speech = choose_speech(settings.speech.model_copy(update={"engine": "pocketsphinx"}))
    chosen = choose_ocr(settings.text.model_copy(update={"engine": "rapidocr"}))
    return Job(
        path.stem, str(path), str(path), frozenset(stages), settings, chosen, speech, str(spool) if spool else None
    )


def outcomes(path: Path, *stages: str, **more: Any) -> dict[str, StageOutcome]:
    found = extract(job(path, stages or ("decode",), **more), lambda share: None)
    return {outcome.stage: outcome for outcome in found}


def decoded(path: Path, **more: Any) -> Decoded:
    return Decoded.model_validate(outcomes(path, "decode", **more)["decode"].result)


def moving(frames: int, width: int = 320, height: int = 240) -> Iterator[NDArray[np.uint8]]:
    for number in range(frames):
        image = np.full((height, width, 3), 60, np.uint8)
        cv2.circle(image, (20 + number * 3 % width, height // 2), 18, (80, 160, 240), -1)
        yield image


def tone(seconds: float, rate: int = 16000) -> NDArray[np.int16]:
    return (8000 * np.sin(np.arange(int(seconds * rate)) * 0.2)).astype(np.int16)


def test_one_open_and_one_decode_feed_every_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails when the file is opened a second time, or a packet of it decoded a second time."""
    path = SAMPLES / "smash-burger.mp4"
    with av.open(str(path)) as container:
        frames = sum(packet.pts is not None for packet in container.demux(video=0))
    opened, decoded_frames = [], []
    real_open, real_place = av.open, Media._place
    monkeypatch.setattr(opening.av, "open", lambda *a, **k: opened.append(a) or real_open(*a, **k))
    monkeypatch.setattr(Media, "_place", lambda self, raw: decoded_frames.append(raw.pts) or real_place(self, raw))
    for other in ("VideoCapture",):
        monkeypatch.setattr(cv2, other, lambda *a: pytest.fail("the file was opened by OpenCV as well"))
    found = outcomes(path, "decode", "text", "speech")
    assert set(found) == {"decode", "text", "speech"}
    assert all(outcome.result for outcome in found.values())
    assert len(opened) == 1
    assert len(decoded_frames) == len(set(decoded_frames)) == frames
    before = bytes_read()  # the models are loaded now, so that the file is all that is read
    outcomes(path, "decode", "text", "speech")
    assert bytes_read() - before < 1.5 * path.stat().st_size + 100_000


def bytes_read() -> int:
    """Bytes that this process has asked the kernel for; 0 where it does not tell."""
    try:
        return int(Path("/proc/self/io").read_text().split()[1])
    except OSError:
        return 0


def test_stages_that_are_known_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    path = SAMPLES / "smash-burger.mp4"
    whole = outcomes(path, "decode", "text", "speech")
    assert set(outcomes(path, "text")) == {"text"}
    assert outcomes(path, "text")["text"].result == whole["text"].result
    monkeypatch.setattr(video, "load_ocr", lambda *a: pytest.fail("OCR was loaded"))
    only_speech = outcomes(path, "speech")
    assert set(only_speech) == {"speech"}
    assert only_speech["speech"].result == whole["speech"].result


def test_the_models_in_another_process_give_the_same(tmp_path: Path) -> None:
    """Spooled and read later, as with a GPU pool, is as read at once."""
    path = SAMPLES / "smash-burger.mp4"
    direct = outcomes(path, "decode", "text", "speech")
    spooled = job(path, spool=tmp_path / "spool")
    first = {outcome.stage: outcome for outcome in extract(spooled, lambda share: None)}
    assert set(first) == {"decode"}
    assert first["decode"].result == direct["decode"].result
    alone = Group((spooled,))
    (text,), (speech,) = group.read(alone, lambda share: None), group.hear(alone, lambda share: None)
    assert speech.result == direct["speech"].result
    there, here = Texts.model_validate(text.result).texts, Texts.model_validate(direct["text"].result).texts
    assert {item.text for item in there if item.confidence > 0.8} == {
        item.text for item in here if item.confidence > 0.8
    }


def test_times_start_at_the_first_frame_and_follow_the_timestamps(tmp_path: Path) -> None:
    """A late start and a variable rate: frame counts would give other times."""
    pts = [0, 0.04, 0.08, 0.2, 0.24, 0.6, 0.64, 0.68, 0.72, 1.0]
    path = write_clip(tmp_path / "late.mkv", moving(len(pts)), fps=25, pts=[value + 1.5 for value in pts])
    with Media(path, SETTINGS.sources, SETTINGS.decode) as media:
        times = [item.small.time_s for item in media if isinstance(item, Frame)]
    np.testing.assert_allclose(times, pts, atol=0.002)


@needs_media
def test_rotated_variable_and_late_clips() -> None:
    rotated = decoded(MEDIA / "psd_issue-134-rotate.mp4")
    assert (rotated.width, rotated.height) == (544, 1280)
    variable = decoded(MEDIA / "psd_goldeneye-vfr-drop3.mp4")
    for found in (rotated, variable):
        cuts = [shot.start_s for shot in found.shots if shot.transition]
        assert cuts == pytest.approx([3.754, 8.759], abs=0.001)
    assert decoded(MEDIA / "psd_delayed_start.mp4").shots[0].start_s == 0.0


def test_a_rotated_frame_is_upright_in_every_size() -> None:
    truth_size = (720, 1280)
    with Media(SAMPLES / "pythagoras.mp4", SETTINGS.sources, SETTINGS.decode) as media:
        frame = next(item for item in media if isinstance(item, Frame))
    assert (media.width, media.height) == truth_size
    assert frame.full().shape == (1280, 720, 3)
    assert frame.small.bgr.shape == (256, 144, 3)
    assert frame.small.luma.shape == (480, 270)
    small_of_full = cv2.resize(frame.full(), (144, 256), interpolation=cv2.INTER_AREA)
    assert np.abs(small_of_full.astype(int) - frame.small.bgr).mean() < 12


@needs_media
def test_a_frame_is_the_frame_it_says() -> None:
    """Frame n of the counter clip shows n; frame 0 is at 0 s and each lasts a tenth of a second."""
    found = outcomes(MEDIA / "psd_counter.mp4", "text")
    texts = Texts.model_validate(found["text"].result).texts
    counters = {item.text: item for item in texts if item.text.replace(" ", "").startswith("Frame=")}
    assert counters
    for text, item in counters.items():
        number = int(text.split("=")[1])
        assert item.start_s - 0.15 <= number / 10 <= item.end_s + 0.35


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("odd.mp4", {"size": (322, 182), "codec": "libx264", "format": "yuv444p"}),
        ("ten-bit.mkv", {"size": (320, 240), "codec": "libx265", "format": "yuv420p10le"}),
        ("grey.avi", {"size": (160, 120), "codec": "mjpeg", "format": "yuvj422p"}),
        ("portrait.webm", {"size": (180, 320), "codec": "libvpx-vp9", "format": "yuv420p"}),
    ],
)
def test_sizes_and_pixel_formats_of_all_kinds(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    width, height = options["size"]
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        stream = container.add_stream(options["codec"], rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, options["format"]
        for image in moving(20, width, height):
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format=options["format"]))
            )
        container.mux(stream.encode(None))
    found = decoded(path)
    assert (found.width, found.height, found.frames) == (width, height, 20)
    assert found.duration_s == pytest.approx(0.8, abs=0.05)
    assert not found.has_audio
    assert found.sound is None


def test_a_picture_that_stands_still_has_one_thumb_and_ten_bits_look_like_eight(tmp_path: Path) -> None:
    images = [*[next(moving(1))] * 10, *moving(10)]
    thumbs = {}
    for name, codec, pix_fmt in (("eight.mkv", "libx264", "yuv420p"), ("ten.mkv", "libx264", "yuv420p10le")):
        path = write_clip(tmp_path / name, images, codec=codec, pix_fmt=pix_fmt, crf=10)
        with Media(path, SETTINGS.sources, SETTINGS.decode) as media:
            small = [item.small for item in media if isinstance(item, Frame)]
        assert all(frame.thumb is small[0].thumb for frame in small[1:8])
        assert len({id(frame.thumb) for frame in small[11:]}) == 9
        thumbs[name] = small[-1].thumb
    assert cv2.absdiff(thumbs["eight.mkv"], thumbs["ten.mkv"]).mean() < 4.0  # chroma of eight bits is coarse


def test_sound_and_pictures_share_one_clock(tmp_path: Path) -> None:
    """A tone that begins at one second is heard there, whatever the container adds at the start."""
    sound = np.concatenate([np.zeros(16000, np.int16), tone(1.0)])
    path = write_clip(tmp_path / "tone.mp4", moving(50), fps=25, audio=sound, rate=16000)
    found = decoded(path)
    assert found.sound is not None
    quiet, loud = found.sound.loudness_curve_db[:2]
    assert quiet < -45 < -20 < loud
    with Media(path, SETTINGS.sources, SETTINGS.decode) as media:
        chunks = [item for item in media if isinstance(item, Chunk)]
    onset = next(
        c.start_s + float(np.argmax(np.abs(c.pcm) > 2000)) / 16000 for c in chunks if (np.abs(c.pcm) > 2000).any()
    )
    assert onset == pytest.approx(1.0, abs=0.03)


def test_several_audio_tracks_and_an_attached_picture_are_ordinary(tmp_path: Path) -> None:
    path = tmp_path / "many.mkv"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=25)
        picture.width, picture.height = 320, 240
        tracks = [container.add_stream("aac", rate=16000, layout="mono") for _ in range(2)]
        for image in moving(25):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(picture.encode(None))
        for track in tracks:
            frame = av.AudioFrame.from_ndarray(tone(1.0)[None], format="s16", layout="mono")
            frame.sample_rate = 16000
            container.mux(track.encode(frame))
            container.mux(track.encode(None))
    found = decoded(path)
    assert found.frames == 25
    assert found.sound is not None
    assert found.sound.duration_s == pytest.approx(1.0, abs=0.15)


def test_long_videos_are_sampled_in_windows_and_say_so(tmp_path: Path) -> None:
    settings = load_settings(overrides={"sampling.windows_over_s": "5", "sampling.window_s": "1"})
    path = write_clip(tmp_path / "long.mp4", moving(200), fps=25)
    found = decoded(path, settings=settings)
    spans = [(span.start_s, span.end_s) for span in found.windows]
    np.testing.assert_allclose(spans, [(0, 1), (3.5, 4.5), (7, 8)], atol=0.05)
    assert found.coverage == pytest.approx(3 / 8, abs=0.02)
    assert decoded(path).coverage == 1.0


def test_memory_held_does_not_grow_with_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty minutes hold no more frames than one: counted in live frames, not in bytes or seconds."""
    import weakref

    def most_alive(minutes: int) -> int:
        path = tmp_path / f"{minutes}.mp4"
        if not path.exists():
            write_clip(path, (image for _ in range(minutes * 4) for image in moving(30, 128, 96)), fps=2)
        alive = most = 0
        real = Media._place

        def counted(self: Media, raw: Any) -> Frame | None:
            nonlocal alive, most
            frame = real(self, raw)
            if frame is not None:
                alive += 1
                weakref.finalize(frame.small, died)
                most = max(most, alive)
            return frame

        def died() -> None:
            nonlocal alive
            alive -= 1

        monkeypatch.setattr(Media, "_place", counted)
        decoded(path)
        monkeypatch.setattr(Media, "_place", real)
        assert alive == 0
        return most

    short, long = most_alive(1), most_alive(20)
    assert long <= short + 2


def bad_files(tmp_path: Path) -> dict[str, tuple[bytes, type[Exception]]]:
    whole = (SAMPLES / "smash-burger.mp4").read_bytes()
    return {
        "text.mp4": (b"this is no video\n" * 50, NotAVideo),
        "no-index.mp4": (whole[:100], DamagedMedia),
        "playlist.mp4": (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/x.ts\n", NotAVideo),
        "garbage.webm": (b"\x1aE\xdf\xa3" + bytes(range(256)) * 20, DamagedMedia),
    }


def test_bad_files_are_one_failure_with_the_file_and_advice(tmp_path: Path) -> None:
    for name, (content, error) in bad_files(tmp_path).items():
        path = tmp_path / name
        path.write_bytes(content)
        (outcome,) = extract(job(path), lambda share: None)
        assert outcome.result is None
        assert outcome.failure is not None
        assert (outcome.stage, outcome.failure.error_type) == ("decode", error.__name__), outcome.failure
        assert name in outcome.failure.message
        assert outcome.failure.advice == error.advice


@needs_media
def test_sound_without_pictures_is_said() -> None:
    (outcome,) = extract(job(MEDIA / "jfk.flac"), lambda share: None)
    assert outcome.failure is not None
    assert outcome.failure.error_type == NoPictures.__name__


def test_a_file_cut_short_keeps_what_it_has_and_says_how_much(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "whole.mkv", moving(250), fps=25)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    found = outcomes(cut, "decode", "text")
    kept = Decoded.model_validate(found["decode"].result)
    assert 2 < kept.duration_s < 9
    assert found["decode"].failure is not None
    assert "of 10.0 s could be decoded" in found["decode"].failure.message
    assert found["text"].result is not None


def test_an_engine_that_breaks_costs_its_stage_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        name = model = "broken"
        batch_frames = 1

        def detect(self, frames: Any) -> Any:
            raise RuntimeError("out of luck")

    monkeypatch.setattr(video, "load_ocr", lambda *a: Broken())
    found = outcomes(SAMPLES / "smash-burger.mp4", "decode", "text", "speech")
    assert found["text"].result is None
    assert found["text"].failure is not None
    assert "out of luck" in found["text"].failure.message
    assert found["decode"].result is not None
    assert found["decode"].failure is None
    assert Speech.model_validate(found["speech"].result).engine == "pocketsphinx"


def test_progress_moves_with_the_video() -> None:
    shares: list[float] = []
    extract(job(SAMPLES / "smash-burger.mp4", ("decode",)), shares.append)
    assert shares == sorted(shares)
    assert shares[0] < 0.05
    assert shares[-1] == 1.0


def write_tracks(path: Path, seconds: float, sound_s: float, offset_s: float = 0.0) -> Path:
    """Pictures and a tone of different lengths, in a container that keeps one duration for all."""
    with av.open(str(path), "w", options={"output_ts_offset": str(offset_s)}) as container:
        picture = container.add_stream("libvpx", rate=25)
        picture.width, picture.height, picture.pix_fmt = 160, 120, "yuv420p"
        sound = container.add_stream("libopus", rate=48000, layout="mono")
        for image in moving(int(seconds * 25), 160, 120):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(tone(sound_s, 48000)[None], format="s16", layout="mono")
        frame.sample_rate = 48000
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


@pytest.mark.parametrize(("sound_s", "offset_s"), [(6.0, 0.0), (2.0, 500.0)])
def test_sound_longer_than_the_pictures_and_a_late_clock_are_no_damage(
    tmp_path: Path, sound_s: float, offset_s: float
) -> None:
    path = write_tracks(tmp_path / "clip.webm", 2.0, sound_s, offset_s)
    found = outcomes(path, "decode")["decode"]
    assert found.failure is None
    whole = Decoded.model_validate(found.result)
    assert whole.duration_s == pytest.approx(2.0, abs=0.05)
    assert whole.coverage == 1.0


def test_a_size_that_changes_in_mid_stream_is_scaled_to_the_first(tmp_path: Path) -> None:
    parts = []
    for number, (width, height) in enumerate([(320, 240), (240, 320)]):
        part = tmp_path / f"{number}.ts"
        with av.open(str(part), "w", format="mpegts", options={"output_ts_offset": str(number * 1.0)}) as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for image in moving(25, width, height):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            container.mux(stream.encode(None))
        parts.append(part.read_bytes())
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(parts))
    found = outcomes(joined, "decode", "text")
    assert found["text"].failure is None
    whole = Decoded.model_validate(found["decode"].result)
    assert (whole.width, whole.height) == (320, 240)
    assert whole.frames >= 45
