"""What the doctor says of each engine: installed, its weights and where they are, its device, and what to type if not."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from flows.doctor import Finding, examine
from tasks.settings import Settings, SpeechSettings, Text
from tests.checkpoints import random_whisper


def findings(folder: Path, **speech: object) -> dict[str, Finding]:
    """By what was looked at, with all weights looked for in one folder."""
    settings = Settings(
        text=Text(weights_dir=str(folder)),
        speech=SpeechSettings(weights_dir=str(folder), **speech),  # type: ignore[arg-type]
    )
    return {finding.what: finding for finding in examine(settings)}


@pytest.fixture(autouse=True)
def no_cuda(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in ("flows.doctor", "tasks.extraction.ocr", "tasks.extraction.speech"):
        monkeypatch.setattr(f"{module}.cuda_available", lambda: False)
    if importlib.util.find_spec("huggingface_hub") is not None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def test_missing_weights_are_named_with_their_folder_and_the_command(tmp_path: Path) -> None:
    found = findings(tmp_path)
    for engine, files, command in (
        ("easyocr", ("craft_mlt_25k.pth", "english_g2.pth"), "easyocr.Reader(['en']"),
        ("whisper", ("base.pt",), "whisper.load_model('base'"),
        ("faster-whisper", ("model.bin", "vocabulary.json"), "faster_whisper.download_model('base'"),
    ):
        finding = found[engine]
        assert finding.state == "note"
        if finding.found == "faster-whisper is not installed":
            assert "pip install 'reelscope[faster]'" in finding.advice
            continue
        for part in (*files, str(tmp_path), "run on cpu"):
            assert part in finding.found
        assert finding.advice.startswith(f'{sys.executable} -c "') and command in finding.advice
        assert str(tmp_path) in finding.advice
    for engine in ("rapidocr", "pocketsphinx"):
        assert found[engine].state == "ok"
        assert version(engine) in found[engine].found and "runs on cpu" in found[engine].found
    assert (found["text is read with"].state, found["text is read with"].found) == ("ok", "rapidocr on cpu")
    assert found["speech is heard with"].found == "pocketsphinx on cpu"
    assert "base.pt" in found["speech is heard with"].advice


def test_weights_that_are_there_are_said(tmp_path: Path) -> None:
    random_whisper(tmp_path / "base.pt")
    found = findings(tmp_path)
    assert found["whisper"].state == "ok"
    for part in (version("openai-whisper"), str(tmp_path / "base.pt"), "runs on cpu"):
        assert part in found["whisper"].found
    assert (found["speech is heard with"].found, found["speech is heard with"].advice) == ("whisper on cpu", "")
    shutil.copy(tmp_path / "base.pt", tmp_path / "small.pt")
    (tmp_path / "base.pt").write_bytes(b"half a file")
    found = findings(tmp_path)
    assert found["whisper"].state == "ok" and "damaged" in found["whisper"].advice
    assert "small" in found["whisper"].advice


def test_a_named_engine_that_cannot_be_had_is_broken(tmp_path: Path) -> None:
    found = findings(tmp_path, engine="whisper", model="huge")
    assert found["whisper"].state == "note" and "'huge'" in found["whisper"].found
    assert found["speech is heard with"].state == "broken"
    assert "turbo" in found["speech is heard with"].advice
