"""Trains the toy recogniser that tests read captions with, and says how well it reads.

    python -m tests.toys.train_easy [--steps N] [--seed N] [--out FILE.npz]

It has EasyOCR's architecture (`easyocr.model.vgg_model`, Shi et al. 2015) with a quarter of its channels, which learns
in about fifteen CPU minutes; `tests.toys.easy` widens it to the full one with zeros. Loss: CTC (Graves et al. 2006).
easy_recogniser.npz is what it gives without options.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from easyocr.config import recognition_models
from easyocr.model.vgg_model import Model
from torch.utils.data import DataLoader, IterableDataset

from tests.toys.easy import RECOGNISER
from tests.toys.easy_lines import HEIGHT, UNSEEN, WORDS, Grey, crop, phrase

CHARACTERS: str = recognition_models["gen2"]["english_g2"]["characters"]
INDEX = {character: place + 1 for place, character in enumerate(CHARACTERS)}  # 0 is CTC's blank
CHANNELS, HIDDEN = 64, 96  # of 256
COLUMNS = 32 * 384  # of a batch: 32 lines of average width
FASTEST = 2e-3  # learning rate
SHORT_STEPS = 500  # the first steps see short lines: CTC learns to align on them


class Lines(IterableDataset[tuple[Any, list[str], Any]]):
    """Batches of lines as EasyOCR's AlignCollate makes them, float32 [B, 1, 64, W] in [-1, 1], their texts and labels.

    labels: int64 [B, T], which character's middle is in a time step: its index, 0 for none, -1 next to one.
    """

    def __init__(self, seed: int, batches: int) -> None:
        self.seed, self.batches = seed, batches

    def __iter__(self) -> Iterator[tuple[Any, list[str], Any]]:
        worker = torch.utils.data.get_worker_info()
        source = random.Random(self.seed * 1000 + (worker.id if worker else 0))
        waiting: dict[int, list[tuple[Grey, str, list[float]]]] = defaultdict(list)
        made = 0
        while made < self.batches:
            text = phrase(source, 24 if made > SHORT_STEPS else 5 + 10 * made // SHORT_STEPS)
            line, middles = crop(text, source)
            width = HEIGHT * math.ceil(line.shape[1] / HEIGHT)  # EasyOCR pads to whole multiples of the height
            if width > 24 * HEIGHT:
                continue
            waiting[width].append((line, text, middles))
            if len(waiting[width]) * width >= COLUMNS:
                lines, texts, places = zip(*waiting.pop(width), strict=True)
                labels = [label(*line, width // 4 - 1) for line in zip(texts, places, strict=True)]
                yield batch(lines, width), list(texts), torch.tensor(labels)
                made += 1


def batch(lines: Sequence[Grey], width: int) -> Any:
    padded = [np.pad(line, ((0, 0), (0, width - line.shape[1])), mode="edge") for line in lines]
    return torch.from_numpy(np.stack(padded)[:, None]).float().div_(127.5).sub_(1)


def label(text: str, middles: Sequence[float], steps: int) -> list[int]:
    """A time step is four pixels wide, the first of them around pixel 4."""
    labels = [0] * steps
    at = [min(steps - 1, max(0, round(middle / 4 - 1))) for middle in middles]
    for place in at:
        for beside in (place - 1, place + 1):
            if 0 <= beside < steps:
                labels[beside] = -1
    for character, place in zip(text, at, strict=True):
        labels[place] = INDEX[character]
    return labels


def train(steps: int, seed: int, out: Path) -> Any:
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    model = Model(1, CHANNELS, HIDDEN, len(CHARACTERS) + 1)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    model.FeatureExtraction.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=FASTEST, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, FASTEST, total_steps=steps, pct_start=0.05)
    began, losses = time.monotonic(), list[float]()
    for step, (lines, texts, labels) in enumerate(DataLoader(Lines(seed, steps), batch_size=None, num_workers=1), 1):
        answer = forward(model, lines).log_softmax(2).transpose(0, 1)  # [T, B, classes]
        targets = torch.tensor([INDEX[character] for text in texts for character in text])
        lengths = torch.tensor([len(text) for text in texts])
        times = torch.full((len(texts),), answer.shape[0])
        loss = torch.nn.functional.ctc_loss(answer, targets, times, lengths, zero_infinity=True)
        loss = loss + aligned(answer.transpose(0, 1), labels)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if step % 100 == 0 or step == steps:
            passed = time.monotonic() - began
            print(
                f"{step:6} loss {np.mean(losses[-100:]):.3f}  {passed:.0f} s  {time.process_time():.0f} CPU s",
                flush=True,
            )
        if step % 1000 == 0 or step == steps:
            save(model, out)
    return model


def aligned(answer: Any, labels: Any) -> Any:
    """Cross-entropy in the time steps whose label is known; CTC alone has not found the letters when this reads.

    answer: log-probabilities [B, T, classes].
    """
    letters, none = answer[labels > 0], answer[labels == 0]
    said = torch.nn.functional.nll_loss(letters, labels[labels > 0])
    return said - none[:, 0].mean()


def forward(model: Any, lines: Any) -> Any:
    """As `Model.forward`, its convolutions in bfloat16 and channels last: twice as fast on a CPU."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        seen = model.FeatureExtraction(lines.contiguous(memory_format=torch.channels_last))
    return model.Prediction(model.SequenceModeling(seen.float().mean(2).transpose(1, 2)))


def save(model: Any, out: Path) -> None:
    arrays = {
        key: value.numpy().astype(np.float16)
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    part = out.with_suffix(".part.npz")
    np.savez_compressed(part, **arrays)
    os.replace(part, out)


def read(model: Any, lines: Sequence[Grey]) -> list[str]:
    """Greedy CTC decoding, line by line."""
    texts = []
    for line in lines:
        with torch.no_grad():
            best = model(batch([line], HEIGHT * math.ceil(line.shape[1] / HEIGHT)), None)[0].argmax(1).tolist()
        kept = [one for one, before in zip(best, [0, *best], strict=False) if one not in (0, before)]
        texts.append("".join(CHARACTERS[one - 1] for one in kept))
    return texts


def report(model: Any, seed: int, count: int = 200) -> None:
    """Shares of rendered lines that are read without a mistake, none of them learnt from."""
    model.eval()
    source = random.Random(-1 - seed)

    def some(words: Sequence[str]) -> Callable[[], str]:
        return lambda: " ".join(source.choice(words) for _ in range(source.choice((1, 2, 3))))

    for name, make in (("phrases as learnt", lambda: phrase(source)), ("words", some(WORDS)), ("unseen", some(UNSEEN))):
        texts = [make() for _ in range(count)]
        readings = read(model, [crop(text, source)[0] for text in texts])
        right = sum(text == reading for text, reading in zip(texts, readings, strict=True))
        wrong = [f"{text!r} as {reading!r}" for text, reading in zip(texts, readings, strict=True) if text != reading]
        print(f"{name}: {right / count:.3f} of {count} lines exactly; {'; '.join(wrong[:8])}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.toys.train_easy", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--steps", type=int, default=3500)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RECOGNISER)
    options = parser.parse_args(arguments)
    report(train(options.steps, options.seed, options.out), options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
