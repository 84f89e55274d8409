"""The engines, which of them is chosen, and what is said when weights are missing."""

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tasks.errors import EngineError
from tasks.extraction import ocr, weights
from tasks.extraction.crops import cut
from tasks.extraction.frames import Image
from tasks.extraction.ocr import Strip, choose_ocr, load_ocr
from tasks.settings import Text

NO_CUDA, CUDA = (lambda: False), (lambda: True)


def picture(*lines: tuple[str, int, int], size: tuple[int, int] = (360, 640), scale: float = 1.4) -> Image:
    image = np.full((*size, 3), 60, np.uint8)
    for text, x, y in lines:
        cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 3, cv2.LINE_AA)
    return image


def whole(frame: Image) -> Strip:
    return Strip(frame, 0, frame.shape[0])


def test_auto_without_cuda_is_rapidocr_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "cuda_available", NO_CUDA)
    choice = choose_ocr(Text())
    assert (choice.engine, choice.device, choice.note) == ("rapidocr", "cpu", None)
    assert "PP-OCRv6" in choice.model


def test_choosing_imports_no_model_library() -> None:
    code = (
        "import sys, tasks.extraction.text\nfrom tasks.extraction.ocr import choose_ocr\n"
        "from tasks.settings import Text\nchoose_ocr(Text(engine='rapidocr'))\n"
        "print([name for name in ('torch', 'easyocr', 'rapidocr', 'onnxruntime') if name in sys.modules])"
    )
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_is_told_to_anyone_when_the_network_is_loaded(tmp_path: Path) -> None:
    code = (
        "import socket, sys, multiprocessing.process as process\n"
        "sys.addaudithook(lambda name, args: name in ('socket.connect', 'socket.getaddrinfo') and print(name, args))\n"
        "process.BaseProcess.start = lambda self: print('started', self)\n"
        "from tasks.extraction.ocr_rapid import DETECTOR, Network\nNetwork(DETECTOR)\n"
    )
    root, home = Path(__file__).resolve().parents[1], {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, env=home)
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_auto_with_cuda_falls_back_with_a_clear_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ocr, "cuda_available", CUDA)
    choice = choose_ocr(Text(weights_dir=str(tmp_path), download=False))
    assert (choice.engine, choice.device) == ("rapidocr", "cpu")
    assert choice.note is not None
    assert "RapidOCR" in choice.note and "craft_mlt_25k.pth" in choice.note and str(tmp_path) in choice.note


def test_unknown_language_is_an_error_that_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="klingon") as error:
        choose_ocr(Text(engine="easyocr", languages=("klingon",), weights_dir=str(tmp_path)))
    assert "ch_sim" in error.value.advice


def test_rapidocr_finds_and_reads_lines_in_order() -> None:
    settings = Text(engine="rapidocr")
    engine = load_ocr(choose_ocr(settings), settings)
    assert load_ocr(choose_ocr(settings), settings) is engine
    frames = [picture(("second line", 60, 250), ("first line", 60, 90)), picture(), picture(("GO", 290, 200))]
    found = engine.detect([whole(frame) for frame in frames])
    assert [len(quads) for quads in found] == [2, 0, 1]
    quads = [quad for per_frame in found for quad in per_frame]
    assert all(quad.shape == (4, 2) and quad.dtype == np.float32 for quad in quads)
    crops = [cut(frame, quad) for frame, quads in zip(frames, found, strict=True) for quad in quads]
    read = engine.recognise(crops)
    assert [text for text, _ in read] == ["first line", "second line", "GO"]
    assert all(0.8 < confidence <= 1 for _, confidence in read)
    assert engine.recognise([]) == [] and engine.detect([]) == []


@pytest.fixture(scope="module")
def easy(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """EasyOCR with seeded random weights: what it reads is nonsense, how it is called is real."""
    import easyocr.easyocr
    import torch
    from easyocr.craft import CRAFT
    from easyocr.model.vgg_model import Model

    from tasks.extraction.ocr_easy import EasyOcr

    folder = tmp_path_factory.mktemp("easyocr")
    torch.manual_seed(7)
    torch.set_num_threads(1)
    settings = Text(engine="easyocr", weights_dir=str(folder), download=False, detector_px=320)
    detector = CRAFT()
    detector.eval()
    with torch.no_grad():  # scaled so that some places pass the thresholds, as text would
        answer = detector(torch.from_numpy(picture(("hello", 40, 120)).transpose(2, 0, 1)[None] / 255.0).float())[0]
        low, high = (torch.quantile(answer.flatten(0, 2), share, dim=0) for share in (0.5, 0.98))
        last, scale = detector.conv_cls[-1], 1.0 / (high - low)
        last.weight.mul_(scale[:, None, None, None])
        last.bias.sub_(low).mul_(scale)
    entry = easyocr.easyocr.recognition_models["gen2"]["english_g2"]
    recogniser = Model(1, 256, 256, len(entry["characters"]) + 1)
    own = weights._easyocr_config()
    with pytest.MonkeyPatch.context() as patch:
        for name, network, known in (
            ("craft_mlt_25k.pth", detector, (easyocr.easyocr.detection_models["craft"], own.detection_models["craft"])),
            ("english_g2.pth", recogniser, (entry, own.recognition_models["gen2"]["english_g2"])),
        ):
            torch.save({f"module.{key}": value for key, value in network.state_dict().items()}, folder / name)
            digest = hashlib.md5((folder / name).read_bytes()).hexdigest()
            for table in known:
                patch.setitem(table, "md5sum", digest)
        patch.setattr(ocr, "cuda_available", NO_CUDA)
        choice = choose_ocr(settings)
        assert (choice.engine, choice.device) == ("easyocr", "cpu")
        assert "craft_mlt_25k@" in choice.model and "english_g2@" in choice.model
        yield EasyOcr(choice, settings)


def test_easyocr_detects_a_batch_as_one_by_one(easy: Any) -> None:
    frames = [
        picture((text, 40, 120), size=size) for text in ("hello", "world 42") for size in ((240, 320), (320, 180))
    ]
    together = easy.detect([whole(frame) for frame in frames])
    alone = [easy.detect([whole(frame)])[0] for frame in frames]
    assert [len(quads) for quads in together] == [len(quads) for quads in alone]
    assert any(together), "the random detector finds nothing: the test would show nothing"
    for one, other, frame in zip(together, alone, frames, strict=True):
        for a, b in zip(one, other, strict=True):
            assert np.allclose(a, b, atol=1)
            assert (a >= 0).all() and a[:, 0].max() < frame.shape[1] and a[:, 1].max() < frame.shape[0]


def test_easyocr_recognises_a_batch_as_one_by_one(easy: Any) -> None:
    whole = picture(("subscribe for more", 10, 60), size=(100, 600))
    crops = [whole[20:80, :width] for width in (30, 60, 61, 119, 120, 300, 590)] + [whole[20:80:2, :300:2]]
    read = easy.recognise(crops)
    assert [text for text, _ in read] == [easy.recognise([crop])[0][0] for crop in crops]
    assert all(0 <= confidence <= 1 for _, confidence in read)


def test_out_of_memory_halves_the_batch() -> None:
    import torch

    from tasks.extraction.halving import in_batches

    sizes = []

    def work(batch: Sequence[int]) -> list[int]:
        sizes.append(len(batch))
        if len(batch) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return [item * 10 for item in batch]

    assert in_batches(work, range(7), 16) == [0, 10, 20, 30, 40, 50, 60]
    assert sizes[:3] == [7, 3, 1]

    def never(batch: Sequence[int]) -> list[int]:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.cuda.OutOfMemoryError):
        in_batches(never, [1, 2], 2)
