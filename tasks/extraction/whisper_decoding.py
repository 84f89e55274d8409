"""Whisper's decoding of a batch of windows: its guards against invented text, and the segments in its tokens.

After whisper/transcribe.py of openai-whisper 20250625, which does the same window by window; thresholds are its defaults.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
MOST_COMPRESSION = 2.4  # text that compresses better repeats itself
LEAST_LOGPROB = -1.0  # mean log-probability of a token
MOST_NO_SPEECH = 0.6  # probability that nobody speaks
TOKEN_S = 0.02  # what a timestamp token counts in


@dataclass(frozen=True)
class Slice:
    """One segment as Whisper says it, in seconds of what it was given."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Hypothesis:
    """What Whisper makes of one window."""

    tokens: tuple[int, ...]
    logprob: float  # mean of a token
    compression_ratio: float
    no_speech: float  # probability; nan where the model does not tell
    tokenizer: Any = field(repr=False)

    @property
    def confidence(self) -> float:
        return min(1.0, math.exp(self.logprob))

    @property
    def is_silence(self) -> bool:
        return self.no_speech > MOST_NO_SPEECH and not self.logprob > LEAST_LOGPROB

    @property
    def fails(self) -> bool:
        """Is a higher temperature worth a try?"""
        if self.no_speech > MOST_NO_SPEECH and self.logprob < LEAST_LOGPROB:
            return False
        return self.compression_ratio > MOST_COMPRESSION or self.logprob < LEAST_LOGPROB

    def slices(self, duration_s: float) -> tuple[list[Slice], Slice | None]:
        """Its segments, and the unfinished one after them, from whose start the window has to be decoded on.

        duration_s: of the sound in the window. Segments meet where two timestamps do; the last is unfinished where it
        has no timestamp at its end. Tokens without such a place are one segment.
        """
        tokens, first_stamp = self.tokens, self.tokenizer.timestamp_begin
        stamps = [token >= first_stamp for token in tokens]
        times_s = [(token - first_stamp) * TOKEN_S for token in tokens]  # where it is a timestamp
        cuts = [place for place in range(1, len(tokens)) if stamps[place - 1] and stamps[place]]
        if not cuts:
            last_s = next((time_s for time_s, stamp in zip(times_s[::-1], stamps[::-1], strict=True) if stamp), 0.0)
            return [Slice(0.0, last_s or duration_s, self._text(tokens))], None
        segments = [
            Slice(times_s[first], times_s[after - 1], self._text(tokens[first:after]))
            for first, after in pairwise([0, *cuts])
        ]
        tail = self._text(tokens[cuts[-1] :])
        if stamps[-2:] == [False, True]:
            return [*segments, Slice(times_s[cuts[-1]], times_s[-1], tail)], None
        return segments, Slice(segments[-1].end_s, duration_s, tail)

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode([token for token in tokens if token < self.tokenizer.eot])).strip()


def decode(model: Any, features: Any, languages: Sequence[str], sample_len: int | None) -> list[Hypothesis]:
    """Encoded windows [batch, 1500, state] and the language of each -> a hypothesis for each.

    All are decoded greedily; those that fail, and they alone, again at higher temperatures until they don't. None of
    them depends on the others. sample_len: most tokens per window; None: as many as the model can.
    """
    found = _decode(model, features, languages, sample_len, TEMPERATURES[0])
    for temperature in TEMPERATURES[1:]:
        failed = [index for index, hypothesis in enumerate(found) if hypothesis.fails]
        if not failed:
            break
        again = _decode(model, features[failed], [languages[index] for index in failed], sample_len, temperature)
        for index, hypothesis in zip(failed, again, strict=True):
            found[index] = hypothesis
    return found


def _decode(
    model: Any, features: Any, languages: Sequence[str], sample_len: int | None, temperature: float
) -> list[Hypothesis]:
    import torch
    from whisper import DecodingOptions

    from tasks.extraction.whisper_sampling import decoding_task

    options = DecodingOptions(temperature=temperature, sample_len=sample_len, fp16=features.dtype == torch.float16)
    task = decoding_task(model, options, languages)
    return [
        Hypothesis(
            tuple(result.tokens), result.avg_logprob, result.compression_ratio, result.no_speech_prob, task.tokenizer
        )
        for result in task.run(features)
    ]
