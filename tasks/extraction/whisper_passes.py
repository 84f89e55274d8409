"""What Whisper listens to: windows, and the rests of windows that are decoded on, as spectrograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks.extraction.windows import Window

FRAME = 160  # samples of a column of the spectrogram
FRAMES_PER_S = 100
WINDOW_FRAMES = 3000
PADDING = 400  # samples of silence after the sound, as long as the spectrogram's own window


@dataclass(eq=False)
class Pass:
    """A window that is to be decoded from some place on."""

    window: Window
    mel: Any  # log-mel spectrogram of the window's sound: [mels, frames]
    start: int = 0  # frame
    features: Any = None  # [1500, state], where the encoder has seen it already

    @property
    def start_s(self) -> float:
        return self.start / FRAMES_PER_S

    @property
    def duration_s(self) -> float:
        """Of the sound that Whisper gets."""
        return min(self.mel.shape[1] - self.start, WINDOW_FRAMES) / FRAMES_PER_S

    def rest(self, start_s: float) -> list[Pass]:
        """What comes after so many seconds of this pass, if anything does."""
        start = self.start + round(start_s * FRAMES_PER_S)
        return [Pass(self.window, self.mel, start)] if start < self.mel.shape[1] else []


def first_passes(windows: Sequence[Window], model: Any) -> list[Pass]:
    """Of all windows in which there is any sound. The spectrograms are on the model's device."""
    import whisper

    return [
        Pass(
            window,
            whisper.log_mel_spectrogram(window.samples(), model.dims.n_mels, PADDING, model.device)[
                :, : window.length // FRAME
            ],
        )
        for window in windows
        if window.length >= FRAME
    ]


def encode(passes: Sequence[Pass], model: Any) -> Any:
    """What the encoder makes of them, [batch, 1500, state]: half precision on CUDA, single on a CPU.

    As whisper/transcribe.py has it, nothing (not silence) follows the sound up to 30 s.
    """
    import torch
    import whisper

    mels = torch.stack([whisper.pad_or_trim(each.mel[:, each.start :], WINDOW_FRAMES) for each in passes])
    return model.embed_audio(mels.half() if mels.is_cuda else mels)
