"""A checkpoint in OpenAI's format as a folder in CTranslate2's, for faster-whisper.

CTranslate2's own converter reads the format of transformers, which is not needed for anything else here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def convert(checkpoint: Path, folder: Path) -> Path:
    """The same weights and vocabulary (the multilingual one) in `folder`, which is made."""
    import ctranslate2
    import torch

    stored = torch.load(checkpoint)
    dims, weights = stored["dims"], stored["model_state_dict"]
    spec = ctranslate2.specs.WhisperSpec(
        dims["n_audio_layer"], dims["n_audio_head"], dims["n_text_layer"], dims["n_text_head"]
    )
    for name in ("conv1", "conv2"):
        _linear(getattr(spec.encoder, name), weights, f"encoder.{name}")
    spec.encoder.position_encodings.encodings = weights["encoder.positional_embedding"]
    spec.decoder.position_encodings.encodings = weights["decoder.positional_embedding"]
    spec.decoder.embeddings.weight = weights["decoder.token_embedding.weight"]
    spec.decoder.projection.weight = weights["decoder.token_embedding.weight"]
    _norm(spec.encoder.layer_norm, weights, "encoder.ln_post")
    _norm(spec.decoder.layer_norm, weights, "decoder.ln")
    for side in ("encoder", "decoder"):
        for number, layer in enumerate(getattr(spec, side).layer):
            block = f"{side}.blocks.{number}"
            _norm(layer.self_attention.layer_norm, weights, f"{block}.attn_ln")
            _linear(
                layer.self_attention.linear[0], weights, *(f"{block}.attn.{part}" for part in ("query", "key", "value"))
            )
            _linear(layer.self_attention.linear[1], weights, f"{block}.attn.out")
            if side == "decoder":
                _norm(layer.attention.layer_norm, weights, f"{block}.cross_attn_ln")
                _linear(layer.attention.linear[0], weights, f"{block}.cross_attn.query")
                _linear(layer.attention.linear[1], weights, f"{block}.cross_attn.key", f"{block}.cross_attn.value")
                _linear(layer.attention.linear[2], weights, f"{block}.cross_attn.out")
            _norm(layer.ffn.layer_norm, weights, f"{block}.mlp_ln")
            _linear(layer.ffn.linear_0, weights, f"{block}.mlp.0")
            _linear(layer.ffn.linear_1, weights, f"{block}.mlp.2")
    folder.mkdir(parents=True)
    tokens = _tokenizer(folder / "tokenizer.json")
    spec.register_vocabulary(tokens)
    first_language = tokens.index("<|en|>")
    spec.config.lang_ids = list(range(first_language, tokens.index("<|translate|>")))
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [tokens.index("\u0120"), tokens.index("<|endoftext|>")]
    spec.config.alignment_heads = [(dims["n_text_layer"] - 1, 0)]
    spec.validate()
    spec.save(str(folder))
    return folder


def _norm(norm: Any, weights: Mapping[str, Any], name: str) -> None:
    norm.gamma, norm.beta = weights[f"{name}.weight"], weights[f"{name}.bias"]


def _linear(linear: Any, weights: Mapping[str, Any], *names: str) -> None:
    """One layer of those that Whisper keeps apart; its keys have no bias."""
    import torch

    linear.weight = torch.cat([weights[f"{name}.weight"] for name in names])
    linear.bias = torch.cat(
        [weights.get(f"{name}.bias", torch.zeros(len(weights[f"{name}.weight"]))) for name in names]
    )


def _tokenizer(path: Path) -> list[str]:
    """Writes Whisper's multilingual vocabulary as tokenizers reads it; its tokens in order.

    Without merges: words that are no token of their own are split into bytes, which is enough to decode.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from whisper.tokenizer import get_encoding

    encoding = get_encoding("multilingual")
    letters = _letters()
    special = sorted(encoding.special_tokens_set, key=encoding.encode_single_token)
    tokens = (encoding.decode_single_token_bytes(number) for number in range(encoding.n_vocab - len(special)))
    words = ["".join(letters[byte] for byte in token) for token in tokens]
    tokenizer = Tokenizer(
        models.BPE({word: number for number, word in enumerate(words)}, merges=[], ignore_merges=True)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.save(str(path))
    return words + special


def _letters() -> list[str]:
    """The letter that byte-level vocabularies write for each byte: itself where it can be seen, else one from 256 on."""
    seen = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    unseen = [byte for byte in range(256) if byte not in seen]
    return [chr(byte if byte in seen else 256 + unseen.index(byte)) for byte in range(256)]
