"""Settings: four places they come from, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.cli import settings_of
from tasks.errors import UsageError
from tasks.settings import known_keys, load_settings


def test_precedence_of_file_environment_and_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "settings.toml"
    config.write_text("[text]\nmin_confidence = 0.1\ndetector_px = 640\n[sampling]\nmax_gap_s = 3.0\n")
    monkeypatch.setenv("REELSCOPE_TEXT__MIN_CONFIDENCE", "0.2")
    monkeypatch.setenv("REELSCOPE_TEXT__DETECTOR_PX", "800")
    settings = load_settings(config, {"text.min_confidence": "0.3"})
    assert settings.text.min_confidence == 0.3
    assert settings.text.detector_px == 800
    assert settings.sampling.max_gap_s == 3.0
    assert settings.text.reuse_difference == load_settings().text.reuse_difference


def test_an_unknown_key_names_the_nearest_known_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"text\.enigne.*'text\.engine'"):
        load_settings(overrides={"text.enigne": "rapidocr"})
    config = tmp_path / "settings.toml"
    config.write_text("[pols]\nworkers = 2\n")
    with pytest.raises(UsageError, match=r"pols\.workers.*'pools\.workers'"):
        load_settings(config)
    monkeypatch.setenv("REELSCOPE_SPEECH__MODLE", "tiny")
    with pytest.raises(UsageError, match=r"REELSCOPE_SPEECH__MODLE.*'speech\.model'"):
        load_settings()


@pytest.mark.parametrize(
    ("key", "value"), [("pools.workers", "many"), ("text.min_confidence", "2"), ("text.engine", "tesseract")]
)
def test_a_bad_value_names_the_setting_and_what_was_given(key: str, value: str) -> None:
    with pytest.raises(UsageError, match=rf"{key}.*{value}"):
        load_settings(overrides={key: value})


def test_a_broken_settings_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[text\n")
    with pytest.raises(UsageError, match=r"bad\.toml"):
        load_settings(tmp_path / "bad.toml")
    with pytest.raises(UsageError, match=r"missing\.toml"):
        load_settings(tmp_path / "missing.toml")


def test_words_of_the_command_line_become_lists() -> None:
    assert settings_of(None, ["sources.extensions=mp4, mov"]).sources.extensions == ("mp4", "mov")
    assert settings_of(None, ["text.languages=en"]).text.languages == ("en",)
    assert settings_of(None, None, workers=3, ocr="rapidocr").pools.workers == 3
    with pytest.raises(UsageError, match=r"section\.key=value"):
        settings_of(None, ["text.engine"])


def test_every_setting_says_what_it_is() -> None:
    assert len(known_keys()) > 40
