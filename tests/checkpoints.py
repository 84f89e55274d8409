"""Whisper checkpoints without sense, for what does not depend on it."""

from __future__ import annotations

from pathlib import Path


def random_whisper(path: Path, vocabulary: int = 51865) -> Path:
    """A model of two small layers with random weights, in OpenAI's format; the same every time.

    vocabulary: 51864 is that of the English models.
    """
    import torch
    from whisper.model import ModelDimensions, Whisper

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        dims = ModelDimensions(
            n_mels=80, n_audio_ctx=1500, n_audio_state=64, n_audio_head=2, n_audio_layer=2,
            n_vocab=vocabulary, n_text_ctx=448, n_text_state=64, n_text_head=2, n_text_layer=2,
        )  # fmt: skip
        model = Whisper(dims)
        torch.nn.init.normal_(model.decoder.positional_embedding, std=0.3)  # left uninitialised, else
        model.decoder.token_embedding.weight.data *= 0.3
        for block in model.decoder.blocks:  # what it says depends on what it hears, not on what it said
            for weight in (block.cross_attn.query, block.cross_attn.key, block.cross_attn.value, block.cross_attn.out):
                weight.weight.data *= 6
    torch.save({"dims": dims.__dict__, "model_state_dict": model.state_dict()}, path)
    return path
