"""A sentence model of two tiny layers, made here: random weights, a vocabulary of letters and a few words."""

from __future__ import annotations

from pathlib import Path

WORDS = ["sail", "harbour", "mast", "hive", "honey", "wax", "rope", "loop", "knot", "boat", "bee", "cooking", "recipe"]


def make(folder: Path, seed: int = 0) -> str:
    """Write the model into `folder`, as sentence-transformers saves them; gives its path."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    bert = folder / "bert"
    bert.mkdir(parents=True)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    (bert / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(seed)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=64, **size)).save_pretrained(bert)
    BertTokenizer(str(bert / "vocab.txt")).save_pretrained(bert)
    made = folder / "tiny"
    layers = [word := Transformer(str(bert), max_seq_length=32), Pooling(word.get_embedding_dimension())]
    SentenceTransformer(modules=layers, device="cpu").save(str(made), create_model_card=False)
    return str(made)
