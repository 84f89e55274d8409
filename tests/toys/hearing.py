"""A small Whisper that really hears: a few dozen sentences, as espeak-ng speaks them, in two languages.

`train_hearing.py` makes the weights once (`hearing.npz`); here they become a checkpoint in OpenAI's format.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000  # Hz
WEIGHTS = Path(__file__).with_name("hearing.npz")
STATE = 96
DIMENSIONS = {
    "n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": STATE, "n_audio_head": 3, "n_audio_layer": 2,
    "n_vocab": 51865, "n_text_ctx": 448, "n_text_state": STATE, "n_text_head": 3, "n_text_layer": 2,
}  # fmt: skip
FIRST_TIMESTAMP = 50364  # <|0.00|> of the multilingual vocabulary
MOMENTS = 1501  # <|0.00|> to <|30.00|>, 0.02 s apart

SENTENCES: dict[str, tuple[str, ...]] = {
    "en": (
        "Welcome to my kitchen.", "Today we are baking bread.", "Today we are baking a cake.", "Preheat the oven first.",
        "Add a pinch of salt.", "Thank you for watching.", "Subscribe to my channel.", "Here are three simple tricks.",
        "The first one is free.", "Nobody tells you this.", "Let me show you how.", "Click the link below.",
        "This phone is amazing.", "The battery lasts all day.", "Never skip leg day.", "Drink more water.",
        "What do you think?", "Wait until the end.", "See you next week.", "It works every time.",
        "Keep your back straight.", "Twenty more seconds.", "That was a great goal.", "We traveled to the mountains.",
    ),
    "es": (
        "Bienvenidos a mi cocina.", "Hoy hacemos pan.", "Muchas gracias por mirar.", "Hasta la próxima semana.",
        "El primer truco es gratis.", "No olvides suscribirte.", "Bebe más agua cada día.", "Cuéntame lo que piensas.",
    ),
}  # fmt: skip
VOICES: dict[str, tuple[str, ...]] = {"en": ("en-us", "en-us+f3", "en-gb"), "es": ("es", "es+f3")}
SPEEDS = (140, 155, 170)  # words a minute


def can_speak() -> bool:
    return shutil.which("espeak-ng") is not None


@cache
def say(sentence: str, voice: str = "en-us", speed: int = 155) -> NDArray[np.int16]:
    """The sentence as espeak-ng speaks it, [n] at 16 kHz, without the silence around it; read-only."""
    from scipy.signal import resample_poly

    command = ["espeak-ng", "-v", voice, "-s", str(speed), "--stdout", sentence]
    spoken = subprocess.run(command, capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(spoken)) as file:
        rate = file.getframerate()
        # the header of a stream promises more samples than there are
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    pcm = np.clip(np.rint(resample_poly(pcm.astype(np.float64), SAMPLE_RATE, rate)), -32768, 32767).astype(np.int16)
    loud = np.flatnonzero(np.abs(pcm.astype(int)) > 300)
    pcm = pcm[loud[0] : loud[-1] + 1]
    pcm.setflags(write=False)
    return pcm


def make_whisper(path: Path) -> Path:
    """The checkpoint, 51865 tokens and all, for `whisper.load_model(path)`; the same bytes of weights every time.

    Only tokens that the sentences use have rows of their own. Timestamps are a linear image of the encoder's own
    sinusoids, and all other tokens share one row that is improbable whatever is heard.
    """
    import torch
    from whisper.model import sinusoids

    with np.load(WEIGHTS) as file:
        kept = {name: torch.from_numpy(file[name].astype(np.float32)) for name in file.files}
        tokens = torch.from_numpy(file["tokens"].astype(np.int64))
    del kept["tokens"]
    embedding = kept.pop("unused").repeat(DIMENSIONS["n_vocab"], 1)
    embedding[tokens] = kept.pop("embedding")
    embedding[FIRST_TIMESTAMP:] = sinusoids(MOMENTS, STATE) @ kept.pop("moment_weight") + kept.pop("moment_bias")
    positions = torch.zeros(DIMENSIONS["n_text_ctx"], STATE)
    learnt = kept.pop("positions")
    positions[: len(learnt)] = learnt
    weights = kept | {
        "decoder.token_embedding.weight": embedding,
        "decoder.positional_embedding": positions,
        "encoder.positional_embedding": sinusoids(DIMENSIONS["n_audio_ctx"], STATE),
    }
    torch.save({"dims": DIMENSIONS, "model_state_dict": weights}, path)
    return path
