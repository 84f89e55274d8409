"""The doctor: is everything there that a run needs, and what to type where it is not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console

from flows.server import configured_server
from tasks.addresses import local_path
from tasks.cache import ResultCache
from tasks.device import cuda_available, driver_present
from tasks.errors import EngineError, UsageError
from tasks.settings import Settings, SpeechSettings
from tasks.versions import versions

if TYPE_CHECKING:
    from tasks.extraction.ocr import OcrChoice
    from tasks.extraction.speech import SpeechChoice
    from tasks.extraction.weights import Weights as EasyOcrWeights
    from tasks.extraction.whisper_weights import Find

FREE_BYTES = 2_000_000_000  # for a cache of some thousand videos and a spool


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ok: as it should be; note: runs work without; broken: runs fail."""

    what: str
    state: Literal["ok", "note", "broken"]
    found: str
    advice: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Look at everything; a check that itself breaks is a finding."""
    checks: list[Callable[[Settings], Iterator[Finding]]] = [
        _python,
        _decoder,
        _voice,
        _ocr,
        _speech,
        _device,
        _server,
        _disk,
    ]
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += check(settings)
        except Exception as error:  # the doctor's job is to say what is wrong, whatever it is
            findings.append(
                Finding(
                    check.__name__.strip("_"),
                    "broken",
                    f"{type(error).__name__}: {error}",
                    "Install again: make install",
                )
            )
    return findings


def show(findings: list[Finding]) -> None:
    """A line each, and what to type below it: never cut, so that it can be copied."""
    colours = {"ok": "green", "note": "yellow", "broken": "red"}
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        console.print(f"[{colours[finding.state]}]{finding.state:7}[/]{finding.what:22}", end="")
        console.print(finding.found, markup=False)
        if finding.advice:
            console.print(f"{'':29}-> {finding.advice}", markup=False)


def _python(_: Settings) -> Iterator[Finding]:
    missing = [package for package, found in versions().items() if found is None]
    yield Finding("python", "ok", sys.version.split()[0])
    if missing:
        yield Finding("packages", "broken", f"missing: {', '.join(missing)}", "pip install -e .")
    else:
        yield Finding(
            "packages", "ok", f"prefect {versions()['prefect']}, av {versions()['av']}, torch {versions()['torch']}"
        )


def _decoder(_: Settings) -> Iterator[Finding]:
    import av

    wanted = {"h264", "hevc", "vp9", "av1", "aac", "opus"}
    missing = sorted(
        codec for codec in wanted if codec not in av.codecs_available and f"lib{codec}" not in av.codecs_available
    )
    yield Finding(
        "decoder",
        "note" if missing else "ok",
        f"FFmpeg in PyAV {av.__version__}" + (f", without {', '.join(missing)}" if missing else ""),
    )


def _voice(_: Settings) -> Iterator[Finding]:
    from tasks.extraction.vad import load_vad

    load_vad()
    yield Finding("voice activity", "ok", "Silero VAD loads")


def _ocr(settings: Settings) -> Iterator[Finding]:
    from tasks.extraction.ocr import choose_ocr
    from tasks.extraction.weights import easyocr_weights

    yield _embedded("rapidocr", "weights in its package")
    try:
        yield _easyocr(easyocr_weights(settings.text))
    except EngineError as error:  # not installed, or not in these languages
        yield Finding("easyocr", "note", error.message, error.advice)
    offline = settings.text.model_copy(update={"download": False})
    yield _chosen("text is read with", lambda: choose_ocr(offline))


def _easyocr(weights: EasyOcrWeights) -> Finding:
    device, missing = "cuda" if cuda_available() else "cpu", [file.path.name for file in weights.missing()]
    if missing:
        found = f"{version('easyocr')}; missing in {weights.folder}: {', '.join(missing)}; would run on {device}"
        return Finding("easyocr", "note", found, weights.command)
    names = ", ".join(file.path.name for file in weights.files)
    return Finding("easyocr", "ok", f"{version('easyocr')}; {names} in {weights.folder}; runs on {device}")


def _speech(settings: Settings) -> Iterator[Finding]:
    from tasks.extraction import faster_weights, whisper_weights
    from tasks.extraction.speech import choose_speech
    from tasks.extraction.speech_faster import cublas_loads

    yield _embedded("pocketsphinx", "weights in its package, English, rough")
    device = "cuda" if cuda_available() else "cpu"
    offline = settings.speech.model_copy(update={"download": False})
    yield _whisper("whisper", "openai-whisper", offline, device, whisper_weights.locate)
    faster = "cuda" if device == "cuda" and cublas_loads() else "cpu"
    yield _whisper("faster-whisper", "faster-whisper", offline, faster, faster_weights.locate)
    yield _chosen("speech is heard with", lambda: choose_speech(offline))


def _whisper(engine: str, package: str, settings: SpeechSettings, device: str, find: Find) -> Finding:
    from tasks.extraction.whisper_weights import first_choice, obtain

    named = settings.model_copy(update={"engine": engine})
    try:
        wanted = first_choice(named, device, find)
    except EngineError as error:  # not installed, or no such model
        return Finding(engine, "note", error.message, error.advice)
    try:
        weights, note = obtain(named, device, find)
    except EngineError:
        found = f"{version(package)}; {wanted.problem}; would run on {device}"
        return Finding(engine, "note", found, wanted.command or "Check speech.model.")
    return Finding(engine, "ok", f"{version(package)}; {weights.path}; runs on {device}", note or "")


def _embedded(package: str, found: str) -> Finding:
    if find_spec(package) is None:
        return Finding(package, "broken", "not installed", f"{sys.executable} -m pip install {package}")
    return Finding(package, "ok", f"{version(package)}; {found}; runs on cpu")


def _chosen(what: str, choose: Callable[[], OcrChoice | SpeechChoice]) -> Finding:
    try:
        choice = choose()
    except EngineError as error:
        return Finding(what, "broken", error.message, error.advice)
    return Finding(what, "ok", f"{choice.engine} on {choice.device}", choice.note or "")


def _device(_: Settings) -> Iterator[Finding]:
    if cuda_available():
        import torch

        yield Finding(
            "GPU", "ok", ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        )
    elif driver_present():
        yield Finding(
            "GPU",
            "note",
            "NVIDIA's driver is there, but torch cannot use it",
            "Install a torch build for this driver's CUDA version.",
        )
    else:
        yield Finding("GPU", "note", "none; text and speech run on the CPU")


def _server(_: Settings) -> Iterator[Finding]:
    import urllib.error
    import urllib.request

    url = configured_server()
    if url is None:
        yield Finding("Prefect server", "ok", "none configured: an embedded one is started for each run")
        return
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=5):
            yield Finding("Prefect server", "ok", url)
    except (urllib.error.URLError, OSError) as error:
        yield Finding(
            "Prefect server",
            "broken",
            f"{url}: {error}",
            "Start it with `prefect server start`, or unset PREFECT_API_URL.",
        )


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = local_path(settings.cache.dir)
    if folder is None:
        try:
            ResultCache(settings.cache.dir).check()
            yield Finding("cache", "ok", settings.cache.dir)
        except UsageError as error:
            yield Finding("cache", "broken", error.message)
        return
    place = next(
        parent
        for parent in (folder.expanduser().absolute(), *folder.expanduser().absolute().parents)
        if parent.exists()
    )
    free = shutil.disk_usage(place).free
    enough = free >= FREE_BYTES
    advice = "" if enough else "Free some space, or move the cache with --set cache.dir=FOLDER."
    yield Finding("cache", "ok" if enough else "note", f"{Path(folder)}: {free / 1e9:.0f} GB free", advice)
