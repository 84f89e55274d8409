"""How Whisper chooses the next token of each window of a batch: its rules and draws, made fit for batches.

Both stand in for parts of whisper.decoding.DecodingTask; this module is imported where Whisper is used, never before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from whisper.decoding import ApplyTimestampRules, DecodingOptions, DecodingTask, GreedyDecoder


def decoding_task(model: Any, options: DecodingOptions, languages: Sequence[str]) -> DecodingTask:
    """Whisper's greedy decoding, each window in its own language, and none dependent on the others of its batch.

    languages: of the windows that the task will be run on; what the options say of it does not count.
    """
    task = DecodingTask(model, replace(options, language=None))
    task.logit_filters = [
        BatchedTimestampRules(rule) if isinstance(rule, ApplyTimestampRules) else rule for rule in task.logit_filters
    ]
    if options.temperature > 0:
        task.decoder = EqualDraws(options.temperature, task.tokenizer.eot)

    def known(features: torch.Tensor, tokens: torch.Tensor) -> tuple[list[str], None]:
        if model.is_multilingual:
            codes = [task.tokenizer.to_language_token(language) for language in languages]
            tokens[:, task.sot_index + 1] = torch.tensor(codes)
        return list(languages), None

    task._detect_language = known  # which writes what it finds into the prompt, just so
    return task


class BatchedTimestampRules:
    """ApplyTimestampRules of whisper/decoding.py for all rows at once.

    Whisper's own goes through the rows one by one and waits three times for the device in each.
    """

    def __init__(self, rules: ApplyTimestampRules) -> None:
        self._begin = rules.sample_begin
        self._eot: int = rules.tokenizer.eot
        self._first_stamp: int = rules.tokenizer.timestamp_begin
        self._no_stamps: int = rules.tokenizer.no_timestamps
        self._latest_start = rules.max_initial_timestamp_index

    def apply(self, logits: torch.Tensor, tokens: torch.Tensor) -> None:
        """logits: [batch, vocabulary], changed in place; tokens: [batch, so far]."""
        sampled = tokens[:, self._begin :]
        text, stamps = logits[:, : self._eot], logits[:, self._first_stamp :]
        moments = torch.arange(stamps.shape[1], device=logits.device)
        logits[:, self._no_stamps] = -torch.inf
        if sampled.shape[1] == 0:
            logits[:, : self._first_stamp] = -torch.inf
            if self._latest_start is not None:
                stamps[:, self._latest_start + 1 :] = -torch.inf
            return
        stamped = sampled >= self._first_stamp
        last = stamped[:, -1:]
        paired = stamped[:, -2:-1] if sampled.shape[1] > 1 else last
        text.masked_fill_(last & ~paired, -torch.inf)  # after a segment's end comes the next one's start, or nothing
        # a segment has a length, and time does not run backwards
        earliest = (sampled - self._first_stamp).amax(1, keepdim=True) + ~(last & ~paired)
        stamps.masked_fill_((last & paired) | (moments < earliest), -torch.inf)
        # where all timestamps together are more probable than any text, a timestamp comes next
        words = logits[:, : self._first_stamp]
        words.masked_fill_(stamps.logsumexp(dim=-1, keepdim=True) > words.amax(dim=-1, keepdim=True), -torch.inf)


class EqualDraws(GreedyDecoder):  # type: ignore[misc]
    """Draws by Gumbel's trick, with the same noise for every row of a batch and for every run.

    argmax(logits / temperature - log(e)), e from an exponential distribution, is a draw from the softmax (Gumbel 1954;
    Maddison et al. 2014, "A* sampling"). The noise depends on nothing but the step, so that a window reads the same
    whatever is decoded beside it.
    """

    def reset(self) -> None:
        self._generator: torch.Generator | None = None

    def update(
        self, tokens: torch.Tensor, logits: torch.Tensor, sum_logprobs: torch.Tensor
    ) -> tuple[torch.Tensor, bool]:
        """As GreedyDecoder.update: the next tokens, [batch, so far + 1], and whether all windows are at their end."""
        if self._generator is None:
            self._generator = torch.Generator(logits.device).manual_seed(0)
        noise = torch.empty(logits.shape[1], device=logits.device).exponential_(generator=self._generator)
        noise.clamp_(min=torch.finfo(noise.dtype).tiny)
        chosen = (logits.float() / self.temperature - noise.log()).argmax(dim=-1, keepdim=True)
        ended = tokens[:, -1:] == self.eot
        logprobs = logits.float().gather(1, chosen) - logits.float().logsumexp(dim=-1, keepdim=True)
        sum_logprobs += torch.where(ended, 0.0, logprobs)[:, 0]
        tokens = torch.cat([tokens, torch.where(ended, self.eot, chosen)], dim=-1)
        return tokens, bool((tokens[:, -1] == self.eot).all())
