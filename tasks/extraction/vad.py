"""Voice activity: the probability of speech in each block of 32 ms.

The model is Silero VAD (https://github.com/snakers4/silero-vad, MIT), its recurrent "sequence" export, run by
onnxruntime on one thread. It ships inside the silero-vad package; importing that package would import torch, so
the file is looked up and the few lines that frame the sound are ours.
"""

from __future__ import annotations

import importlib.util
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.errors import EngineError
from tasks.models import shared_model

SAMPLE_RATE = 16_000
BLOCK = 512  # samples that get one probability: 32 ms
CONTEXT = 64  # samples of the block before that the model sees, too
SECOND = 32  # blocks, about: digital silence is looked for in pieces so long
RUN = 4 * SECOND  # blocks per call of the model
MODEL_FILE = "silero_vad_16k_sequence.onnx"


class Vad:
    """The model itself. It holds no state of a track, so that threads and videos may share it."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def probabilities(
        self, blocks: NDArray[np.float32], hidden: NDArray[np.float32], cell: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """blocks [n, CONTEXT + BLOCK] in -1..1, state [1, 1, 128] twice -> probability [n], new state."""
        outputs = self._session.run(["speech_probs", "hn", "cn"], {"input": blocks, "h": hidden, "c": cell})
        return outputs[0].reshape(-1), outputs[1], outputs[2]


class VadStream:
    """Voice activity of one track, given in pieces: the pieces' lengths do not change the result."""

    def __init__(self, vad: Vad) -> None:
        self._vad = vad
        self._rest = np.zeros(0, np.int16)
        self._hidden = self._cell = np.zeros((1, 1, 128), np.float32)
        self._context = np.zeros((1, CONTEXT), np.float32)

    def push(self, pcm: NDArray[np.int16]) -> NDArray[np.float32]:
        """Samples int16 [n] at 16 kHz -> probabilities of the blocks that have become known, in order."""
        self._rest = np.concatenate((self._rest, pcm))
        size = RUN * BLOCK
        whole = len(self._rest) // size * size
        ready, self._rest = self._rest[:whole], self._rest[whole:]
        return _joined([self._run(piece) for piece in ready.reshape(-1, size)])

    def finish(self) -> NDArray[np.float32]:
        """Probabilities of what is left; the last block is filled with silence."""
        if not len(self._rest):
            return np.zeros(0, np.float32)
        padded = np.pad(self._rest, (0, -len(self._rest) % BLOCK))
        self._rest = self._rest[:0]
        return self._run(padded)

    def _run(self, pcm: NDArray[np.int16]) -> NDArray[np.float32]:
        """Neighbouring seconds that are all silent, or all not, go together."""
        size = SECOND * BLOCK
        seconds = [pcm[start : start + size] for start in range(0, len(pcm), size)]
        found, start = [], 0
        for silent, alike in groupby(seconds, lambda second: not second.any()):
            end = start + sum(map(len, alike))
            found.append(self._silence(pcm[start:end]) if silent else self._listen(pcm[start:end]))
            start = end
        return _joined(found)

    def _silence(self, pcm: NDArray[np.int16]) -> NDArray[np.float32]:
        """Digital silence: nothing to hear. The model starts afresh after it, as at the track's start."""
        self._hidden = self._cell = np.zeros_like(self._cell)
        self._context = np.zeros_like(self._context)
        return np.zeros(len(pcm) // BLOCK, np.float32)

    def _listen(self, pcm: NDArray[np.int16]) -> NDArray[np.float32]:
        blocks = pcm.reshape(-1, BLOCK).astype(np.float32) / np.float32(32768)
        context = np.vstack((self._context, blocks[:-1, -CONTEXT:]))
        self._context = blocks[-1:, -CONTEXT:]
        found, self._hidden, self._cell = self._vad.probabilities(
            np.hstack((context, blocks)), self._hidden, self._cell
        )
        return found


def load_vad() -> Vad:
    """The model, loaded once per process. Raises EngineError where the silero-vad package is not installed."""
    return shared_model(("vad", MODEL_FILE), lambda: Vad(_model_path()))


def _model_path() -> Path:
    spec = importlib.util.find_spec("silero_vad")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "data" / MODEL_FILE
        if path.is_file():
            return path
    raise EngineError(
        f"voice activity: {MODEL_FILE} of the silero-vad package is missing", "pip install 'silero-vad>=6.2.3'"
    )


def _joined(pieces: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
