"""The batch that is measured: fifty different videos of 6 to 90 s with what is known of them, in truth.json.

    python -m benchmarks.corpus [--out FOLDER] [--quick]

They are cut and joined from data/samples, the same scripts with other seeds, and ../shared/media where it is there.
Needs espeak-ng for the other seeds. Built once, in some minutes, whole or not at all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
from rich.console import Console
from rich.progress import Progress

from benchmarks.recipes import QUICK, VERSION, Piece, Recipe, recipes
from benchmarks.splicing import Clip, Facts, splice

ROOT = Path(__file__).resolve().parents[1]
SAMPLES, MEDIA = ROOT / "data" / "samples", ROOT.parent / "shared" / "media"
SAMPLE_SEED = "7"
TRUTH = "truth.json"


def home() -> Path:
    """Where corpora and results are kept if nothing else is said."""
    return Path(platformdirs.user_cache_dir("reelscope")) / "benchmarks"


def corpus(folder: Path, chosen: Iterable[Recipe] | None = None, workers: int = 2) -> Path:
    """The folder with the videos, their sidecars and truth.json; built if this version of it is not there."""
    wanted = list(chosen) if chosen is not None else recipes(MEDIA.is_dir())
    digest = hashlib.sha256(f"{VERSION} {wanted!r}".encode()).hexdigest()[:12]
    built = folder / f"corpus-{digest}"
    if built.is_dir():
        return built
    folder.mkdir(parents=True, exist_ok=True)
    for seed in sorted({seed for recipe in wanted for piece in recipe.pieces if (seed := _seed(piece)) is not None}):
        _make_samples(folder, seed)
    with _whole(built) as unfinished:
        _build(wanted, folder, unfinished, workers)
    return built


def quick(built: Path) -> Path:
    """A tenth of the corpus, of all kinds, in a folder of its own beside it."""
    folder = built.with_name(built.name.replace("corpus", "quick"))
    if folder.is_dir():
        return folder
    truth = json.loads((built / TRUTH).read_text(encoding="utf-8"))
    names = [name for name in truth["videos"] if Path(name).stem in QUICK]
    with _whole(folder) as unfinished:
        for name in names:
            for path in built.glob(f"{Path(name).stem}.*"):
                shutil.copy(path, unfinished)
        _write(unfinished / TRUTH, {"videos": {name: truth["videos"][name] for name in names}})
    return folder


def _build(wanted: list[Recipe], folder: Path, unfinished: Path, workers: int) -> None:
    known = _known(folder, wanted)
    truth: dict[str, Facts] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool, Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"{len(wanted)} videos", total=len(wanted))
        longest_first = sorted(wanted, key=lambda recipe: -recipe.size[0] * recipe.size[1] * len(recipe.pieces))
        jobs = {pool.submit(_make, recipe, folder, known, unfinished): recipe for recipe in longest_first}
        for job in as_completed(jobs):
            truth[jobs[job].name] = job.result()
            bar.advance(task)
    _write(unfinished / TRUTH, {"videos": {recipe.name: truth[recipe.name] for recipe in wanted}})


def _make(recipe: Recipe, folder: Path, known: dict[str, Facts], unfinished: Path) -> Facts:
    clips = [Clip(piece, _path(folder, piece), known[piece.source]) for piece in recipe.pieces]
    voice = Piece("media/jfk.flac")
    said = Clip(voice, _path(folder, voice), known[voice.source]) if recipe.sound == "jfk" else None
    facts = splice(recipe, clips, said, unfinished)
    post = clips[0].path.with_suffix(".info.json")
    if not recipe.pieces[0].is_media:  # without a sidecar the file's name is the title
        told: dict[str, Any] = json.loads(post.read_text(encoding="utf-8"))
        told |= {"id": f"bench-{recipe.stem}", "duration": round(facts["duration_s"]), "fps": facts["fps"]}
        told |= {"width": recipe.size[0], "height": recipe.size[1], "ext": Path(recipe.name).suffix[1:]}
        told["webpage_url"] = f"https://shorts.example.com/{told['uploader_id']}/{told['id']}"
        _write(unfinished / f"{recipe.stem}.info.json", told)
        facts["niche"] = clips[0].facts["niche"]
    return facts


def _known(folder: Path, wanted: list[Recipe]) -> dict[str, Facts]:
    """What is known of every clip that is used, by its name in the recipes."""
    known: dict[str, Facts] = {}
    for source in {piece.source for recipe in wanted for piece in recipe.pieces} | {"media/jfk.flac"}:
        place, name = source.split("/")
        path = MEDIA / "labels.json" if place == "media" else _samples(folder, place) / TRUTH
        if path.is_file():
            facts = json.loads(path.read_text(encoding="utf-8"))
            known[source] = facts.get("videos", facts).get(name, {})
    return known


def _seed(piece: Piece) -> str | None:
    return None if piece.is_media else piece.source.split("/")[0]


def _samples(folder: Path, seed: str) -> Path:
    return SAMPLES if seed == SAMPLE_SEED else folder / f"samples-{seed}"


def _path(folder: Path, piece: Piece) -> Path:
    place, name = piece.source.split("/")
    return (MEDIA if place == "media" else _samples(folder, place)) / name


def _make_samples(folder: Path, seed: str) -> None:
    made = _samples(folder, seed)
    if made.is_dir():
        return
    print(f"samples with seed {seed}", file=sys.stderr)
    with _whole(made) as unfinished:
        command = [sys.executable, "-m", "data.make_samples", "--seed", seed, "--out", str(unfinished)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A place to fill, which becomes the folder at the end of the block, or nothing does."""
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix="unfinished-"))
    try:
        yield unfinished
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=home(), help="folder that holds it")
    parser.add_argument("--quick", action="store_true", help="only the tenth that the ablations use")
    options = parser.parse_args()
    built = corpus(options.out)
    print(quick(built) if options.quick else built)


if __name__ == "__main__":
    main()
