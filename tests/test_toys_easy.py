"""EasyOCR's real code with the toy weights: captions are found, read, and read in batches as one by one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tasks.extraction.crops import cut
from tasks.extraction.frames import Image
from tasks.extraction.ocr import Strip, choose_ocr
from tasks.settings import Text
from tests.toys import easy
from tests.toys.easy_lines import FONTS, OPENCV, lay

ROOT = Path(__file__).resolve().parents[1]
SIZE = (240, 416)  # height, width: small, because CRAFT takes its second for each frame on a CPU
LEARNT = (
    ("Follow for more", "link in bio", "10x faster"),
    ("30 jumping jacks", "Save this workout", "20 lunges"),
    ("STOP WRITING LOOPS", "New camera, 40% off", "Worth the upgrade?"),
)
UNSEEN = (("Chicken with butter", "orange sugar"), ("GOLDEN MONKEY", "winter garden 7"))  # words not learnt from

MISREAD = 1  # of 13 lines; EasyOCR's own rounding to 8 bits differs a little between processors


def frame(lines: Sequence[str], number: int) -> Image:
    """Captions below each other over a mild texture."""
    noise = np.random.default_rng(number)
    coarse = noise.integers(40, 110, (4, 6, 3)).astype(np.uint8)
    image = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    image = np.clip(image + noise.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    for row, text in enumerate(lines):
        font = (FONTS[0], OPENCV)[(number + row) % 2]
        lay(image, text, left=20 + 10 * row, top=20 + 75 * row, size_px=28, font=font)
    return image


def whole(image: Image) -> Strip:
    return Strip(image, 0, image.shape[0])


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> easy.EasyToys:
    return easy.make(tmp_path_factory.mktemp("easy"))


@pytest.fixture(scope="module")
def engine(toys: easy.EasyToys) -> Any:
    import torch

    from tasks.extraction.ocr_easy import EasyOcr

    torch.set_num_threads(1)
    settings = Text(engine="easyocr", weights_dir=str(toys.folder), download=False, detector_px=416)
    with easy.trusted(toys.folder):
        return EasyOcr(choose_ocr(settings), settings)


def test_captions_are_found_and_read(engine: Any) -> None:
    frames = [frame(lines, number) for number, lines in enumerate(LEARNT + UNSEEN)]
    empty = frame((), 99)
    together = engine.detect([whole(image) for image in [*frames, empty]])
    assert together[-1] == []
    assert [len(quads) for quads in together[:-1]] == [len(lines) for lines in LEARNT + UNSEEN]
    [same] = engine.detect([whole(frames[1])])  # a batch finds what one by one finds
    assert all(np.allclose(one, other, atol=1) for one, other in zip(together[1], same, strict=True))

    crops = [cut(image, quad) for image, quads in zip(frames, together, strict=False) for quad in quads]
    read = engine.recognise(crops)
    alone = [engine.recognise([crop])[0] for crop in crops]
    assert [text for text, _ in read] == [text for text, _ in alone]
    assert [confidence for _, confidence in read] == pytest.approx([confidence for _, confidence in alone], abs=1e-3)
    said = [line for lines in LEARNT + UNSEEN for line in lines]
    missed = {line: text for line, (text, _) in zip(said, read, strict=True) if text != line}
    assert len(missed) <= MISREAD, missed


def test_other_processes_read_with_the_overlay(toys: easy.EasyToys, tmp_path: Path) -> None:
    picture = tmp_path / "caption.png"
    cv2.imwrite(str(picture), frame(("Hello world", "good morning"), 3))
    code = (
        "import json, sys, cv2\n"
        "from tasks.extraction.crops import cut\n"
        "from tasks.extraction.ocr import Strip, choose_ocr, load_ocr\n"
        "from tasks.settings import Text\n"
        "settings = Text(engine='easyocr', weights_dir=sys.argv[1], download=False, detector_px=416)\n"
        "engine, image = load_ocr(choose_ocr(settings), settings), cv2.imread(sys.argv[2])\n"
        "[quads] = engine.detect([Strip(image, 0, image.shape[0])])\n"
        "print(json.dumps([text for text, _ in engine.recognise([cut(image, quad) for quad in quads])]))\n"
    )
    command = [sys.executable, "-c", code, str(toys.folder), str(picture)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | toys.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ["Hello world", "good morning"]


def test_without_the_overlay_the_files_are_not_trusted(toys: easy.EasyToys) -> None:
    from tasks.errors import EngineError

    with pytest.raises(EngineError, match=r"craft_mlt_25k\.pth, english_g2\.pth"):
        choose_ocr(Text(engine="easyocr", weights_dir=str(toys.folder), download=False))
