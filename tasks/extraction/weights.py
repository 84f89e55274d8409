"""EasyOCR's weight files: which ones a choice of languages needs, whether they are there, and fetching them."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from tasks.errors import EngineError
from tasks.extraction.fetching import RemoteFile, fetch
from tasks.settings import Text

_DETECTOR = "craft"
#: The recogniser that easyocr.Reader chooses for a language, by the lists of languages in easyocr.config.
_RECOGNISERS_BY_CODE = (
    ("th", "gen1", "thai_g1"),
    ("ch_tra", "gen1", "zh_tra_g1"),
    ("ch_sim", "gen2", "zh_sim_g2"),
    ("ja", "gen2", "japanese_g2"),
    ("ko", "gen2", "korean_g2"),
    ("ta", "gen1", "tamil_g1"),
    ("te", "gen2", "telugu_g2"),
    ("kn", "gen2", "kannada_g2"),
)
_RECOGNISERS_BY_LIST = (
    ("bengali_lang_list", "gen1", "bengali_g1"),
    ("arabic_lang_list", "gen1", "arabic_g1"),
    ("devanagari_lang_list", "gen1", "devanagari_g1"),
    ("cyrillic_lang_list", "gen2", "cyrillic_g2"),
)


@dataclass(frozen=True)
class Weights:
    """The files that an EasyOCR reader needs, and the folder they belong in."""

    folder: Path
    files: tuple[RemoteFile, ...]
    languages: tuple[str, ...]

    @property
    def model(self) -> str:
        """Identity: names and content of the files."""
        return "+".join(f"{file.path.stem}@{file.digest[:8]}" for file in self.files)

    @property
    def command(self) -> str:
        """The command that fetches the files."""
        folder = str(self.folder)
        code = f"import easyocr; easyocr.Reader({list(self.languages)}, gpu=False, model_storage_directory={folder!r})"
        return f'{sys.executable} -c "{code}"'

    def missing(self) -> list[RemoteFile]:
        """The files that are not there, or are not what they should be."""
        return [file for file in self.files if not file.whole]


def easyocr_weights(settings: Text) -> Weights:
    """The weights for the languages of the settings. Raises EngineError for a language that EasyOCR does not know."""
    config = _easyocr_config()
    unknown = sorted(set(settings.languages) - set(config.all_lang_list))
    if unknown or not settings.languages:
        raise EngineError(
            f"EasyOCR does not know the language {', '.join(unknown) or '(none given)'} (text.languages)",
            f"Use EasyOCR's codes: {', '.join(sorted(config.all_lang_list))}.",
        )
    generation, name = _recogniser(settings.languages, config)
    entries = (config.detection_models[_DETECTOR], config.recognition_models[generation][name])
    folder = Path(settings.weights_dir) if settings.weights_dir else Path(config.MODULE_PATH) / "model"
    files = tuple(
        RemoteFile(folder / entry["filename"], entry["url"], "md5", entry["md5sum"], zipped=True) for entry in entries
    )
    return Weights(folder, files, settings.languages)


def ensure(weights: Weights, download: bool) -> bool:
    """Make sure that the files are there; True if any had to be fetched.

    Raises EngineError that names the missing files, the folder and the command that fetches them.
    """
    missing = weights.missing()
    if not missing:
        return False
    problem = f"EasyOCR's weights {', '.join(file.path.name for file in missing)} are not in {weights.folder}"
    if download:
        failure = fetch(missing)
        if failure is None:
            return True
        problem += f", and they could not be fetched ({failure})"
    raise EngineError(
        f"{problem}; where there is internet, `{weights.command}` fetches them",
        f"Fetch them as the message says, unpack {' and '.join(file.url for file in missing)} into {weights.folder}, "
        "or choose --ocr rapidocr.",
    )


def _recogniser(languages: tuple[str, ...], config: Any) -> tuple[str, str]:
    if list(languages) == ["en"]:
        return "gen2", "english_g2"
    for code, generation, name in _RECOGNISERS_BY_CODE:
        if code in languages:
            return generation, name
    for group, generation, name in _RECOGNISERS_BY_LIST:
        if set(languages) & set(getattr(config, group)):
            return generation, name
    return "gen2", "latin_g2"


@cache
def _easyocr_config() -> ModuleType:
    """easyocr.config alone: importing the package takes seconds, because it imports torch."""
    package = importlib.util.find_spec("easyocr")
    if package is None or not package.submodule_search_locations:
        raise EngineError("EasyOCR is not installed", f"Type {sys.executable} -m pip install easyocr")
    path = Path(package.submodule_search_locations[0]) / "config.py"
    spec = importlib.util.spec_from_file_location("easyocr_config", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
