"""Whisper's weight files: where they are, whether they are whole, and fetching them."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Event, Thread
from urllib.request import urlopen

from tasks.errors import EngineError
from tasks.settings import SpeechSettings

ANSWER_S = 4.0  # a server that has not answered by then cannot be had
FETCH_S = 60.0
STAND_INS = ("small", "base", "tiny")  # what may replace the model of `auto`, best first
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Weights:
    """One weight file, there or not.

    name: Whisper's name of the model, or the file's stem.
    url: where it can be fetched; None for a file of one's own. Its last folder is the file's SHA-256.
    """

    name: str
    path: Path
    url: str | None

    @property
    def model(self) -> str:
        """Identity: name and content."""
        return f"{self.name}@{_sha256(self.path)[:8]}"

    @property
    def usable(self) -> bool:
        """Whether the file is there and whole: OpenAI's own, or a complete archive as torch writes it."""
        if not self.path.is_file():
            return False
        return (self.url is not None and _sha256(self.path) == _expected(self.url)) or zipfile.is_zipfile(self.path)

    @property
    def command(self) -> str:
        """The command that fetches the file."""
        code = f"import whisper; whisper.load_model({self.name!r}, download_root={str(self.path.parent)!r})"
        return f'{sys.executable} -c "{code}"'


def obtain(settings: SpeechSettings, device: str) -> tuple[Weights, str | None]:
    """Weights that are on disk now, and what there is to say about the choice, or None.

    Without CUDA `auto` uses what is there; with it, and where Whisper was named, missing weights are fetched if
    `speech.download` allows. Raises EngineError that names the file, its folder and the command that fetches it.
    """
    wanted = locate(settings.model if settings.model != "auto" else "turbo" if device == "cuda" else "base", settings)
    if wanted.usable:
        return wanted, None
    named = settings.engine == "whisper"
    stand_ins = () if named and settings.model != "auto" else tuple(locate(name, settings) for name in STAND_INS)
    present = next((weights for weights in stand_ins if weights.usable), None)
    problem = "is damaged" if wanted.path.is_file() else "is missing"
    if settings.download and wanted.url and (device == "cuda" or (named and present is None)):
        failure = _fetch(wanted, wanted.url)
        if failure is None:
            return wanted, f"Fetched Whisper's weights {wanted.path}."
        problem += f" and cannot be fetched now ({failure})"
    if present is not None:
        return present, f"Whisper's {wanted.path} {problem}; its model {present.name} is used instead."
    way = f"`{wanted.command}` fetches it" if wanted.url else "check speech.model"
    raise EngineError(
        f"Whisper's weights: {wanted.path.name} {problem} in {wanted.path.parent}; {way}",
        f"Run the command where there is internet, or copy {wanted.path.name} into {wanted.path.parent}; "
        "or choose --speech pocketsphinx.",
    )


def locate(name: str, settings: SpeechSettings) -> Weights:
    """The weights of a Whisper model's name or of a path. Raises EngineError for a name that Whisper does not know."""
    url = official_urls().get(name)
    if url is not None:
        return Weights(name, _folder(settings) / url.rsplit("/", 1)[1], url)
    path = Path(name).expanduser()
    if path.suffix or path.is_file() or os.sep in name:
        return Weights(path.stem, path.absolute(), None)
    raise EngineError(
        f"speech.model {name!r} is neither one of Whisper's models nor a file",
        f"Whisper's models: {', '.join(official_urls())}.",
    )


@cache
def official_urls() -> dict[str, str]:
    """Model name -> URL, read from the source of the whisper package: importing it would import torch."""
    spec = importlib.util.find_spec("whisper")
    if spec is None or spec.origin is None:
        raise EngineError("openai-whisper is not installed", "pip install openai-whisper")
    for node in ast.parse(Path(spec.origin).read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_MODELS":
            urls: dict[str, str] = ast.literal_eval(node.value)
            return urls
    raise EngineError("this version of openai-whisper is not known", "pip install openai-whisper==20250625")


def _folder(settings: SpeechSettings) -> Path:
    if settings.weights_dir:
        return Path(settings.weights_dir).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisper"  # as whisper has it


def _fetch(weights: Weights, url: str) -> str | None:
    """Fetch within the time allowed; the reason if that failed. A thread, because resolving names knows no timeout."""
    answered, done, failures = Event(), Event(), list[str]()
    deadline = time.monotonic() + FETCH_S

    def work() -> None:
        try:
            _download(weights.path, url, answered, deadline)
        except (OSError, ValueError) as error:
            failures.append(str(error) or type(error).__name__)
        finally:
            done.set()
            answered.set()

    Thread(target=work, name="whisper-weights", daemon=True).start()
    if not answered.wait(ANSWER_S):
        return f"no answer within {ANSWER_S:.0f} s"
    if not done.wait(max(0.0, deadline - time.monotonic())):
        return f"not done within {FETCH_S:.0f} s"
    return failures[0] if failures else None


def _download(path: Path, url: str, answered: Event, deadline: float) -> None:
    """Put the file in place, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetch-") as folder:
        part = Path(folder) / path.name
        with urlopen(url, timeout=ANSWER_S) as response, part.open("wb") as target:
            answered.set()
            while block := response.read(_CHUNK):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not done within {FETCH_S:.0f} s")
                target.write(block)
        if _sha256(part) != _expected(url):
            raise ValueError("not the expected content")
        os.replace(part, path)


def _expected(url: str) -> str:
    return url.split("/")[-2]


def _sha256(path: Path) -> str:
    state = path.stat()
    return _sha256_of(path, state.st_size, state.st_mtime_ns)


@cache
def _sha256_of(path: Path, size_bytes: int, mtime_ns: int) -> str:
    """Size and time are there for the cache: a file that changed is read again."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
