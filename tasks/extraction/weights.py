"""EasyOCR's weight files: which ones a choice of languages needs, whether they are there, and fetching them."""

from __future__ import annotations

import hashlib
import importlib.util
import tempfile
import time
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Event, Thread
from types import ModuleType
from typing import Any
from urllib.request import urlopen

from tasks.errors import EngineError
from tasks.settings import Text

ANSWER_S = 4.0  # a server that has not answered by then cannot be had
FETCH_S = 60.0  # all files together
_CHUNK = 1 << 18
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
class WeightFile:
    name: str
    url: str  # of a zip archive that holds the file
    md5: str


@dataclass(frozen=True)
class Weights:
    """The files that an EasyOCR reader needs, and the folder they belong in."""

    folder: Path
    files: tuple[WeightFile, ...]
    languages: tuple[str, ...]

    @property
    def model(self) -> str:
        """Identity: names and content of the files."""
        return "+".join(f"{Path(file.name).stem}@{file.md5[:8]}" for file in self.files)

    def missing(self) -> list[WeightFile]:
        """The files that are not there, or are not what they should be."""
        return [file for file in self.files if not _is_whole(self.folder / file.name, file.md5)]


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
    files = tuple(WeightFile(entry["filename"], entry["url"], entry["md5sum"]) for entry in entries)
    return Weights(folder, files, settings.languages)


def ensure(weights: Weights, download: bool) -> bool:
    """Make sure that the files are there; True if any had to be fetched.

    Raises EngineError that names the missing files, the folder and the command that fetches them.
    """
    missing = weights.missing()
    if not missing:
        return False
    reason = "fetching is switched off (text.download=false)"
    if download:
        failure = _fetch_all(missing, weights.folder)
        if failure is None:
            return True
        reason = f"they could not be fetched ({failure})"
    names = ", ".join(file.name for file in missing)
    folder, languages = str(weights.folder), list(weights.languages)
    command = f"import easyocr; easyocr.Reader({languages}, gpu=False, model_storage_directory={folder!r})"
    raise EngineError(
        f"EasyOCR's weights {names} are not in {folder}, and {reason}; where there is internet, "
        f'python -c "{command}" fetches them',
        f"Fetch them as the message says, unpack {' and '.join(file.url for file in missing)} into {folder}, "
        "or choose --ocr rapidocr.",
    )


def _fetch_all(files: list[WeightFile], folder: Path) -> str | None:
    """Fetch within the time allowed; the reason if that failed. A thread, because resolving names knows no timeout."""
    answered, done, failures = Event(), Event(), list[str]()
    deadline = time.monotonic() + FETCH_S

    def work() -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for file in files:
                _fetch(file, folder, answered, deadline)
        except (OSError, ValueError, zipfile.BadZipFile, KeyError) as error:
            failures.append(str(error) or type(error).__name__)
        finally:
            done.set()
            answered.set()

    Thread(target=work, name="easyocr-weights", daemon=True).start()
    if not answered.wait(ANSWER_S):
        return f"no answer within {ANSWER_S:.0f} s"
    if not done.wait(max(0.0, deadline - time.monotonic())):
        return f"not done within {FETCH_S:.0f} s"
    return failures[0] if failures else None


def _fetch(file: WeightFile, folder: Path, answered: Event, deadline: float) -> None:
    """Fetch one archive and put its file in place, whole or not at all."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as work:
        archive = Path(work) / "weights.zip"
        with urlopen(file.url, timeout=ANSWER_S) as response, archive.open("wb") as target:
            answered.set()
            while block := response.read(_CHUNK):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{file.url}: slower than {FETCH_S:.0f} s")
                target.write(block)
        with zipfile.ZipFile(archive) as packed:
            fetched = Path(packed.extract(file.name, work))
        if not _is_whole(fetched, file.md5):
            raise ValueError(f"{file.url}: not the expected content")
        fetched.replace(folder / file.name)


def _is_whole(path: Path, md5: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "md5").hexdigest() == md5


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
        raise EngineError("EasyOCR is not installed", "pip install easyocr")
    path = Path(package.submodule_search_locations[0]) / "config.py"
    spec = importlib.util.spec_from_file_location("easyocr_config", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
