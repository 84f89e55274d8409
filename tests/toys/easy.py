"""Weights with which EasyOCR really reads simple captions on a CPU, made in seconds without any download.

The detector's are set by hand (`tests.toys.easy_craft`), the recogniser's were trained for some minutes
(`tests.toys.train_easy`) and lie beside this file. `easyocr.Reader` takes only files whose MD5 stands in its
`config.py`: `overlay` makes a package to put first on PYTHONPATH where it does, `trusted` changes it in this process.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

RECOGNISER = Path(__file__).with_name("easy_recogniser.npz")
_PUBLISHED = {
    "craft_mlt_25k.pth": "2f8227d2def4037cdb3b34389dcf9ec1",
    "english_g2.pth": "5864788e1821be9e454ec108d61b887d",
}  # EasyOCR's own, as of 1.7
_GATES, _DIRECTIONS = 4, 2  # blocks within an LSTM's rows, and within what a bidirectional one gives


@dataclass(frozen=True)
class EasyToys:
    """A folder of weights that an `easyocr.Reader` for English accepts where `environment` is set."""

    folder: Path  # text.weights_dir
    overlay: Path

    @property
    def environment(self) -> dict[str, str]:
        """PYTHONPATH with the overlay first: for processes that are started, and those that they start."""
        before = os.environ.get("PYTHONPATH")
        return {"PYTHONPATH": os.pathsep.join([str(self.overlay), *([before] if before else [])])}


def make(folder: Path) -> EasyToys:
    """Weights in `folder`/weights and the package that trusts them in `folder`/overlay."""
    weights = make_weights(folder / "weights")
    return EasyToys(weights, make_overlay(folder / "overlay", weights))


def make_weights(folder: Path) -> Path:
    """Write craft_mlt_25k.pth and english_g2.pth; returns the folder."""
    import torch

    from tests.toys.easy_craft import craft

    folder.mkdir(parents=True, exist_ok=True)
    for name, network in (("craft_mlt_25k.pth", craft()), ("english_g2.pth", recogniser())):
        # the names that DataParallel gives, as in EasyOCR's own files
        torch.save({f"module.{key}": value for key, value in network.state_dict().items()}, folder / name)
    return folder


def recogniser() -> Any:
    """An english_g2 of full size whose first channels are the trained ones; the others stay at zero throughout."""
    import torch
    from easyocr.config import recognition_models
    from easyocr.model.vgg_model import Model

    network = Model(1, 256, 256, len(recognition_models["gen2"]["english_g2"]["characters"]) + 1)
    network.eval()
    state = network.state_dict()
    with np.load(RECOGNISER) as trained:
        for key in trained.files:
            state[key].copy_(torch.from_numpy(_widened(key, trained[key].astype(np.float32), tuple(state[key].shape))))
    return network


def _widened(key: str, small: Any, shape: tuple[int, ...]) -> Any:
    """`small` in the first rows and columns (of each block) of zeros of that shape; variances are padded with 1."""
    blocks = [1] * small.ndim
    if ".rnn." in key:
        blocks[0] = _GATES
    elif "SequenceModeling" in key and key.endswith("linear.weight"):
        blocks[1] = _DIRECTIONS
    full = np.full(_split(shape, blocks), 1.0 if key.endswith("running_var") else 0.0, np.float32)
    parts = small.reshape(_split(small.shape, blocks))
    full[tuple(slice(0, size) for size in parts.shape)] = parts
    return full.reshape(shape)


def _split(shape: tuple[int, ...], blocks: list[int]) -> tuple[int, ...]:
    return tuple(size for side, count in zip(shape, blocks, strict=True) for size in (count, side // count))


def digests(weights: Path) -> dict[str, str]:
    """MD5 of each file that EasyOCR checks."""
    return {name: hashlib.md5((weights / name).read_bytes()).hexdigest() for name in _PUBLISHED}


def make_overlay(folder: Path, weights: Path) -> Path:
    """A folder for PYTHONPATH: `easyocr` made of links to the installed one, with a config that trusts `weights`."""
    spec = importlib.util.find_spec("easyocr")
    assert spec is not None and spec.submodule_search_locations
    installed = Path(spec.submodule_search_locations[0]).resolve()
    package = folder / "easyocr"
    package.mkdir(parents=True)
    for entry in installed.iterdir():
        if entry.name not in ("config.py", "__pycache__"):
            (package / entry.name).symlink_to(entry)
    config = (installed / "config.py").read_text(encoding="utf-8")
    for name, digest in digests(weights).items():
        if config.count(_PUBLISHED[name]) != 1:
            raise ValueError(f"{installed / 'config.py'} does not name the MD5 {_PUBLISHED[name]} of {name} once")
        config = config.replace(_PUBLISHED[name], digest)
    (package / "config.py").write_text(config, encoding="utf-8")
    return folder


@contextmanager
def trusted(weights: Path) -> Iterator[None]:
    """While it lasts, EasyOCR and `tasks.extraction.weights` in this process take the files in `weights` for whole."""
    import easyocr.config

    from tasks.extraction.weights import _easyocr_config

    tables = [
        table
        for config in (easyocr.config, _easyocr_config())
        for table in (config.detection_models["craft"], config.recognition_models["gen2"]["english_g2"])
    ]
    before = [table["md5sum"] for table in tables]
    known = digests(weights)
    try:
        for table in tables:
            table["md5sum"] = known[table["filename"]]
        yield
    finally:
        for table, digest in zip(tables, before, strict=True):
            table["md5sum"] = digest
