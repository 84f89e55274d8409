"""Trains the small Whisper of `hearing.py`, on one core: `python -m tests.toys.train_hearing --out first.npz`, then
`--again first.npz --seed 8`, and again from that with another seed; each round takes ten to fifteen minutes.

Three things make it that quick. Windows are shorter than 30 s at first, at random places of the 30 s. Attention
begins where it will be needed: sinusoids let a head look a few frames ahead or behind, and timestamps are an image of the
same sinusoids, so that a timestamp's token already points at its frame. An auxiliary head asks the encoder which part
of which sentence each frame belongs to; it is thrown away, and later rounds do without it. Later rounds learn what the
first does badly: where, after a long pause, the next of many sentences begins.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from whisper.audio import N_FFT, mel_filters
from whisper.model import AudioEncoder, MultiHeadAttention, TextDecoder, sinusoids
from whisper.tokenizer import Tokenizer, get_tokenizer

from tests.toys.hearing import DIMENSIONS, FIRST_TIMESTAMP, MOMENTS, SENTENCES, SPEEDS, STATE, VOICES, WEIGHTS, say

HOP = 160  # samples a mel frame
LEAD = 3  # mel frames before a clip's first sample
PARTS = 6  # of a sentence, for the auxiliary head
WRITTEN = 192  # positions of the decoder that are learnt
IGNORED = -100
NOWHERE = -1  # target of the first timestamp where nobody speaks: any of the first second
SMEAR = torch.tensor([0.05, 0.2, 0.5, 0.2, 0.05])  # a timestamp's neighbours are nearly right


@dataclass(frozen=True)
class Phase:
    """A stage of training: windows of `frames` encoder frames (0.02 s each)."""

    frames: int
    batch: int
    steps: int


PHASES = (Phase(300, 16, 900), Phase(750, 12, 250), Phase(1500, 8, 100))
AGAIN = (Phase(750, 12, 150), Phase(1500, 6, 280))


@dataclass(frozen=True)
class Clip:
    """One sentence in one voice.

    power: [80, frames], mel powers at hops of 0.01 s; the first sample is at frame LEAD.
    frames: length of the sound, in mel frames.
    """

    language: str
    sentence: int
    power: NDArray[np.float32]
    frames: float
    tokens: tuple[int, ...]


class Vocabulary:
    """Tokens that are used, one class for all the others, and timestamps, in this order."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        spoken = {token for group in SENTENCES.values() for text in group for token in tokenizer.encode(" " + text)}
        self.languages = {code: tokenizer.to_language_token(code) for code in SENTENCES}
        special = {tokenizer.sot, tokenizer.eot, tokenizer.transcribe, tokenizer.no_speech, *self.languages.values()}
        self.tokens = sorted(spoken | special)
        self.unused = len(self.tokens)
        self.first_moment = self.unused + 1
        self._classes = {token: number for number, token in enumerate(self.tokens)}

    def __getitem__(self, token: int) -> int:
        return self._classes[token]

    def moment(self, frame: float) -> int:
        return self.first_moment + min(MOMENTS - 1, max(0, round(frame)))


def clips(tokenizer: Tokenizer) -> list[Clip]:
    made, number = [], 0
    for language, sentences in SENTENCES.items():
        for sentence in sentences:
            tokens = tuple(tokenizer.encode(" " + sentence))
            for voice in VOICES[language]:
                for speed in SPEEDS:
                    pcm = torch.from_numpy(say(sentence, voice, speed) / np.float32(32768))
                    for late in (0, 53, 106):  # samples: sounds do not begin at a hop
                        padded = F.pad(pcm, (LEAD * HOP + late, 4 * HOP))
                        spectrum = torch.stft(padded, N_FFT, HOP, window=torch.hann_window(N_FFT), return_complex=True)
                        power = mel_filters("cpu", 80) @ spectrum[..., :-1].abs() ** 2
                        made.append(Clip(language, number, power.numpy(), (len(pcm) + late) / HOP, tokens))
            number += 1
    return made


@dataclass(frozen=True)
class Window:
    """What the model sees and what it should say.

    mel: [80, 2 n] as Whisper scales it. start: the window's first encoder frame in the 30 s.
    asked: tokens given. wanted: classes that follow each; NOWHERE or IGNORED.
    parts: [n] class of each encoder frame for the auxiliary head, 0 where nobody speaks.
    """

    mel: NDArray[np.float32]
    start: int
    asked: list[int]
    wanted: list[int]
    parts: NDArray[np.int64]


class Studio:
    """Lays clips out in windows as films do: alone, in rows, cut off at the end, in noise, or not at all."""

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary, seed: int) -> None:
        self._by_language: dict[str, list[Clip]] = {code: [] for code in SENTENCES}
        for clip in clips(tokenizer):
            self._by_language[clip.language].append(clip)
        self._vocabulary = vocabulary
        self._sot, self._eot = vocabulary[tokenizer.sot], vocabulary[tokenizer.eot]
        self._transcribe, self._no_speech = vocabulary[tokenizer.transcribe], vocabulary[tokenizer.no_speech]
        self._language = {code: vocabulary[token] for code, token in vocabulary.languages.items()}
        self._random = np.random.default_rng(seed)

    def window(self, frames: int) -> Window:
        random, vocabulary = self._random, self._vocabulary
        last_start = DIMENSIONS["n_audio_ctx"] - frames
        start = int(random.choice(np.array([0, last_start, random.integers(0, last_start + 1)]), p=[0.25, 0.15, 0.6]))
        power = np.zeros((80, 2 * frames), np.float32)
        parts = np.zeros(frames, np.int64)
        language = "en" if random.random() < 0.65 else "es"
        asked_language = self._language[language]
        if random.random() < 0.1:  # told a wrong language it still writes what was said
            asked_language = int(random.choice([*self._language.values(), vocabulary.unused]))
        asked, wanted = [self._sot, asked_language, self._transcribe], [self._language[language], IGNORED]
        content = 2 * frames  # where the sound ends
        if random.random() < 0.08:
            wanted[0] = self._no_speech
            wanted += [NOWHERE, self._eot]
            asked.append(vocabulary.moment(int(random.integers(0, 51))))
            self._unspoken(power)
            if random.random() < 0.5:
                content = int(random.integers(0, 2 * frames))
        else:
            content = self._fill(power, parts, start, language, asked, wanted)
        if wanted[-1] != self._eot:
            wanted.append(self._eot)
        return Window(self._scaled(power, content), start, asked, wanted, parts)

    def _fill(
        self, power: NDArray[np.float32], parts: NDArray[np.int64], start: int, language: str,
        asked: list[int], wanted: list[int],
    ) -> int:  # fmt: skip
        """Speaks until the window is full or enough is said; where the sound may end, in mel frames."""
        random, vocabulary = self._random, self._vocabulary
        length = power.shape[1]
        pause = random.choice([40.0, 120.0, 350.0])  # mel frames, mean
        at = int(random.choice([random.integers(0, 40), random.integers(0, max(1, length - 150))]))
        most = int(random.choice([1, 3, 5, 20, 20]))
        gain = 10 ** random.uniform(-2, 0.3)
        last_end = 0
        for number in range(most):
            choices = self._by_language[language]
            clip = choices[random.integers(len(choices))]
            end = at + clip.frames
            if end > length - 2:
                if number and start + length // 2 == DIMENSIONS["n_audio_ctx"] and at < length - 12:
                    self._add(power, parts, clip, at, gain)  # cut off: only its start is written
                    moment = vocabulary.moment(start + at / 2)
                    asked.append(self._heard(moment, moment))
                    wanted.append(moment)
                    last_end = length
                if number:
                    break
                at = int(random.integers(0, int(length - clip.frames - 4)))
                end = at + clip.frames
            first, last = vocabulary.moment(start + at / 2), vocabulary.moment(start + end / 2)
            words = [vocabulary[token] for token in clip.tokens]
            if len(asked) + len(words) + 3 > WRITTEN:
                break
            self._add(power, parts, clip, at, gain * 10 ** random.uniform(-0.3, 0.3))
            heard = self._heard(first, vocabulary.moment(50) if not number else MOMENTS + vocabulary.first_moment)
            asked += [heard, *words, self._heard(last, last)]
            wanted += [first, *words, last]
            last_end = int(end)
            at = int(end + 14 + random.exponential(pause))
        return int(random.choice([min(length, last_end + random.integers(2, 60)), length]))

    def _heard(self, moment: int, most: int) -> int:
        """The timestamp that was written before: nearly the true one. Whisper lets a window begin within 1 s only."""
        if moment > most and self._random.random() < 0.6:
            return most
        if self._random.random() < 0.5:
            first = self._vocabulary.first_moment
            moment = min(first + MOMENTS - 1, max(first, moment + int(self._random.integers(-4, 5))))
        return moment

    def _add(
        self, power: NDArray[np.float32], parts: NDArray[np.int64], clip: Clip, at: int, gain: float
    ) -> None:  # fmt: skip
        begin = max(0, at - LEAD)
        piece = clip.power[:, begin - (at - LEAD) :][:, : power.shape[1] - begin]
        # each band a little louder or softer, as other codecs and microphones have it
        tilt = np.interp(np.arange(80), np.linspace(0, 79, 5), self._random.normal(0, 0.12, 5))
        power[:, begin : begin + piece.shape[1]] += piece * (gain * 10 ** tilt[:, None]).astype(np.float32)
        frames = np.arange(math.ceil(at / 2), min(len(parts), int((at + clip.frames) / 2)))
        part = ((frames * 2 - at) / clip.frames * PARTS).astype(int).clip(0, PARTS - 1)
        parts[frames] = 1 + clip.sentence * PARTS + part

    def _unspoken(self, power: NDArray[np.float32]) -> None:
        """Digital silence, hiss, or a hum that comes and goes."""
        kind = self._random.random()
        if kind < 0.5:
            return
        level = 10 ** self._random.uniform(-7, 1)
        bands = np.full(80, 1.0) if kind < 0.8 else self._random.exponential(1, 80) ** 4
        power += (level * bands[:, None] * self._random.exponential(1, power.shape)).astype(np.float32)

    def _scaled(self, power: NDArray[np.float32], content: int) -> NDArray[np.float32]:
        """As whisper.log_mel_spectrogram and, behind the end of the sound, as whisper.pad_or_trim."""
        random = self._random
        if random.random() < 0.5:  # noise below the speech
            level = max(power.max(), 1e-6) * 10 ** random.uniform(-8, -3.5)
            power = power + (level * random.exponential(1, power.shape)).astype(np.float32)
        mel = np.log10(np.maximum(power, 1e-10))
        loudest = mel.max()
        if random.random() < 0.3:  # the file is louder elsewhere
            loudest = max(loudest, random.uniform(0, 2.5)) if loudest < 0 else loudest + random.uniform(0, 1)
        mel = (np.maximum(mel, loudest - 8) + 4) / 4
        mel[:, content:] = 0
        return mel

    def batches(self, phase: Phase) -> Iterator[list[Window]]:
        for _ in range(phase.steps):
            yield [self.window(phase.frames) for _ in range(phase.batch)]


class Ear(nn.Module):
    """Whisper's own encoder and decoder, with the vocabulary that is trained and windows of any length."""

    def __init__(self, vocabulary: Vocabulary, sentences: int) -> None:
        super().__init__()
        d = DIMENSIONS
        self.encoder = AudioEncoder(
            d["n_mels"], d["n_audio_ctx"], d["n_audio_state"], d["n_audio_head"], d["n_audio_layer"]
        )
        self.decoder = TextDecoder(1, WRITTEN, d["n_text_state"], d["n_text_head"], d["n_text_layer"])
        nn.init.normal_(self.decoder.positional_embedding, std=0.02)
        self.embedding = nn.Parameter(torch.randn(len(vocabulary.tokens), STATE) * 0.1)
        self.unused = nn.Parameter(torch.zeros(STATE))
        self.moment_weight = nn.Parameter(torch.eye(STATE) * 0.3)
        self.moment_bias = nn.Parameter(torch.zeros(STATE))
        self.moments: Tensor
        self.register_buffer("moments", sinusoids(MOMENTS, STATE))
        others = torch.zeros(len(vocabulary.tokens) + 1 + MOMENTS)
        others[vocabulary.unused] = math.log(DIMENSIONS["n_vocab"] - MOMENTS - len(vocabulary.tokens))
        self.register_buffer("others", others)
        self.parts = nn.Linear(STATE, 1 + sentences * PARTS)
        with torch.no_grad():  # one channel is constant: there the tokens that nobody uses are improbable
            self.decoder.ln.weight[0], self.decoder.ln.bias[0], self.unused[0] = 0.0, 3.0, -10.0
            self.embedding[:, 0] = 0.0
            self.moment_weight[:, 0] = 0.0
        for block, shifts in zip(self.encoder.blocks, ((-8, 0, 8), (-20, 0, 20)), strict=True):
            look(block.attn, shifts)
        for block, shifts in zip(self.decoder.blocks, ((5, 20, 45), (0, 15, 60)), strict=True):
            look(block.cross_attn, shifts)

    def rows(self) -> Tensor:
        return torch.cat([self.embedding, self.unused[None], self.moments @ self.moment_weight + self.moment_bias])

    def encode(self, mel: Tensor, starts: Tensor) -> Tensor:
        """[b, 80, 2 n] and first encoder frames [b] -> [b, n, state]."""
        x = F.gelu(self.encoder.conv2(F.gelu(self.encoder.conv1(mel)))).permute(0, 2, 1)
        x = x + self.encoder.positional_embedding[starts[:, None] + torch.arange(x.shape[1])]
        for block in self.encoder.blocks:
            x = block(x)
        return self.encoder.ln_post(x)

    def decode(self, asked: Tensor, heard: Tensor) -> Tensor:
        """Classes [b, t] and [b, n, state] -> log-probabilities [b, t, classes]."""
        rows = self.rows()
        x = rows[asked] + self.decoder.positional_embedding[: asked.shape[1]]
        for block in self.decoder.blocks:
            x = block(x, heard, mask=self.decoder.mask)
        return F.log_softmax(self.decoder.ln(x) @ rows.T + self.others, dim=-1)


@torch.no_grad()
def look(attention: MultiHeadAttention, shifts: Sequence[int], sharpness: float = 1.6) -> None:
    """Each head looks as many frames ahead (behind, if negative) of the position that the query speaks of."""
    rates = torch.exp(-math.log(10_000) / (STATE // 2 - 1) * torch.arange(STATE // 2))  # of Whisper's sinusoids
    head = STATE // len(shifts)
    chosen = torch.nonzero(rates < 0.6).flatten()[: head // 2]
    query, key = attention.query.weight, attention.key.weight
    query *= 0.3
    key *= 0.3
    for number, shift in enumerate(shifts):
        for place, channel in enumerate(chosen.tolist()):
            row, sine, cosine = number * head + 2 * place, channel, STATE // 2 + channel
            turn = float(rates[channel]) * shift
            query[row, sine] += sharpness
            query[row + 1, cosine] += sharpness
            key[row, sine] += sharpness * math.cos(turn)
            key[row, cosine] -= sharpness * math.sin(turn)
            key[row + 1, cosine] += sharpness * math.cos(turn)
            key[row + 1, sine] += sharpness * math.sin(turn)


def loss_of(ear: Ear, vocabulary: Vocabulary, windows: Sequence[Window]) -> tuple[Tensor, Tensor]:
    """Of what is written and of the auxiliary head, nats a token and nats a frame."""
    longest = max(len(window.asked) for window in windows)
    asked = torch.zeros(len(windows), longest, dtype=torch.long)
    wanted = torch.full((len(windows), longest), IGNORED)
    for number, window in enumerate(windows):
        asked[number, : len(window.asked)] = torch.tensor(window.asked)
        wanted[number, : len(window.wanted)] = torch.tensor(window.wanted)
    heard = ear.encode(
        torch.from_numpy(np.stack([window.mel for window in windows])),
        torch.tensor([window.start for window in windows]),
    )
    logprobs = ear.decode(asked, heard)
    first = vocabulary.first_moment
    words = (wanted >= 0) & (wanted < first)
    told = -logprobs[words].gather(1, wanted[words][:, None]).sum()
    moments, target = logprobs[wanted >= first], wanted[wanted >= first]
    near = (target[:, None] + torch.arange(-2, 3)).clamp(first, first + MOMENTS - 1)
    timed = -(moments.gather(1, near) * SMEAR).sum()
    anywhere = -logprobs[wanted == NOWHERE][:, first : first + 51].mean(-1).sum()
    parts = torch.from_numpy(np.stack([window.parts for window in windows]))
    guessed = ear.parts(heard)
    auxiliary = F.cross_entropy(guessed.flatten(0, 1), parts.flatten())
    return (told + 2 * timed + anywhere) / (wanted != IGNORED).sum(), auxiliary


def save(ear: Ear, vocabulary: Vocabulary, path: Path) -> None:
    skipped = ("embedding", "moment", "unused", "others", "parts")
    kept = {
        name: value.numpy().astype(np.float16)
        for name, value in ear.state_dict().items()
        if not name.startswith(skipped) and "positional_embedding" not in name and "token_embedding" not in name
    }
    own = ("embedding", "unused", "moment_weight", "moment_bias")
    kept |= {name: getattr(ear, name).detach().numpy().astype(np.float16) for name in own}
    kept["positions"] = ear.decoder.positional_embedding.detach().numpy().astype(np.float16)
    kept["tokens"] = np.array(vocabulary.tokens, np.int32)
    np.savez_compressed(path, **kept)


def resume(ear: Ear, path: Path) -> None:
    """What `save` kept, in its precision; the auxiliary head begins anew."""
    with np.load(path) as file:
        kept = {name: torch.from_numpy(file[name].astype(np.float32)) for name in file.files if name != "tokens"}
    kept["decoder.positional_embedding"] = kept.pop("positions")
    left = ear.load_state_dict(kept, strict=False)
    assert not left.unexpected_keys, left.unexpected_keys


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--again", type=Path, help="weights to go on from, with the long windows only")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    tokenizer = get_tokenizer(True, num_languages=99, language="en", task="transcribe")
    assert tokenizer.timestamp_begin == FIRST_TIMESTAMP
    vocabulary = Vocabulary(tokenizer)
    studio = Studio(tokenizer, vocabulary, options.seed)
    ear = Ear(vocabulary, sum(map(len, SENTENCES.values())))
    if options.again:
        resume(ear, options.again)
    phases = AGAIN if options.again else PHASES
    optimizer = torch.optim.AdamW(ear.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
    steps, step, began = sum(phase.steps for phase in phases), 0, time.monotonic()
    for phase in phases:
        for windows in studio.batches(phase):
            rate = options.rate * min(1, (step + 1) / 60) * (0.03 + 0.97 * (1 + math.cos(math.pi * step / steps)) / 2)
            for group in optimizer.param_groups:
                group["lr"] = rate
            written, auxiliary = loss_of(ear, vocabulary, windows)
            optimizer.zero_grad()
            (written if options.again else written + 0.5 * auxiliary).backward()
            nn.utils.clip_grad_norm_(ear.parameters(), 1.0)
            optimizer.step()
            step += 1
            if step % 20 == 0:
                passed_s = time.monotonic() - began
                print(f"{step}/{steps} {passed_s:.0f} s: {written.item():.3f} {auxiliary.item():.3f}", flush=True)
                if step % 100 == 0:
                    save(ear, vocabulary, options.out)
        save(ear, vocabulary, options.out)


if __name__ == "__main__":
    main()
