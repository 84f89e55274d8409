"""The template of a video: how it is built, in the features that analysis compares.

Shares are of the part that was sampled (text) or of the whole (speech, sound). A part that is unknown because its stage
failed gives None; a part that is known to be absent gives 0 (shares) or None (times of what never happens).
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tasks.records import Decoded, Span, Speech, Texts
from tasks.schemas import CURVE_POINTS

HOOK_S = 3.0  # the hook is what is seen, read and heard in these first seconds
ENDING_SHARE, ENDING_S = 0.2, 3.0  # where a call to action is looked for: the last fifth, three seconds at least
MIN_SPEECH_FOR_RATE_S = 0.5  # a speaking rate needs something spoken

#: What asks the viewer for something. English, and the commonest phrases of other large languages.
CALL_TO_ACTION = re.compile(
    r"\b(follow|subscribe|like (and|&|this|if)|comment|share (this|it|with)|save (this|it|for)|link in|swipe|shop (now|here)"
    r"|buy (now|it)|order (now|yours)|sign up|join (us|me|the|now)|download|click|tap (the|here|to)|dm (me|us)|message (me|us)"
    r"|check (it |us |me )?out|learn more|get (yours|it|started)|try (it|this)|visit|turn on|hit the|let me know|stay tuned"
    r"|s[ií]gue(me|nos)|suscr[ií]b\w+|abonne\w*|inscreva|siga|folge|abonnier\w*|iscriviti|seguimi)\b"
    r"|关注|點贊|点赞|订阅|訂閱|收藏|フォロー|登録|구독|팔로우|подпи\w+|اشترك",
    re.IGNORECASE,
)


def template_features(decoded: Decoded, texts: Texts | None, speech: Speech | None) -> dict[str, Any]:
    """All feature columns of the `templates` table for one video."""
    return {
        **shape_features(decoded),
        **shot_features(decoded),
        **visual_features(decoded),
        **sound_features(decoded),
        **text_features(decoded, texts),
        **speech_features(decoded, speech),
        "call_to_action": call_to_action(decoded.duration_s, texts, speech),
    }


def shape_features(decoded: Decoded) -> dict[str, Any]:
    return {
        "duration_s": decoded.duration_s,
        "aspect_ratio": decoded.width / decoded.height if decoded.height else None,
    }


def shot_features(decoded: Decoded) -> dict[str, Any]:
    lengths_s = [shot.end_s - shot.start_s for shot in decoded.shots]
    cuts_s = cut_times(decoded)
    minutes = decoded.duration_s / 60
    return {
        "shot_count": len(decoded.shots),
        "cuts_per_min": len(cuts_s) / minutes if minutes > 0 else None,
        "shot_mean_s": statistics.fmean(lengths_s) if lengths_s else None,
        "shot_median_s": statistics.median(lengths_s) if lengths_s else None,
        "shot_std_s": statistics.pstdev(lengths_s) if lengths_s else None,
        "first_cut_s": cuts_s[0] if cuts_s else None,
        "pacing": counts_per_tenth(cuts_s, decoded.duration_s),
        "hook_cuts": sum(cut_s < HOOK_S for cut_s in cuts_s),
    }


def cut_times(decoded: Decoded) -> list[float]:
    """Where shots begin, the first left out: cuts, dissolves and fades alike."""
    return [shot.start_s for shot in decoded.shots[1:]]


def visual_features(decoded: Decoded) -> dict[str, Any]:
    visual = decoded.visual
    mean = {
        name: mean_of(getattr(visual, name))
        for name in ("motion", "brightness", "contrast", "saturation", "colourfulness", "sharpness")
    }
    opening = [motion for time_s, motion in zip(visual.times_s, visual.motion, strict=True) if time_s < HOOK_S]
    return {
        **mean,
        "hook_motion": mean_of(opening),
        "motion_curve": resampled(visual.times_s, visual.motion, decoded.duration_s),
        "dominant_colours": list(visual.dominant_colours),
    }


def sound_features(decoded: Decoded) -> dict[str, Any]:
    """A video without an audio track is silent; how loud it is, nobody can say."""
    sound = decoded.sound
    regions = sound.speech_regions if sound else ()
    spoken = union(regions)
    return {
        "loudness_db": sound.loudness_db if sound else None,
        "silence_share": sound.silence_share if sound else 1.0,
        "music_share": sound.music_share if sound else 0.0,
        "speech_share": covered_share(spoken, 0.0, decoded.duration_s),
        "hook_speech_share": covered_share(spoken, 0.0, min(HOOK_S, decoded.duration_s)),
        "speech_curve": share_per_tenth(spoken, decoded.duration_s),
    }


def text_features(decoded: Decoded, texts: Texts | None) -> dict[str, Any]:
    names = ("text_share", "text_lines", "chars_per_s", "first_text_s", "hook_text", "hook_text_share", "text_curve")
    zones = ("top", "middle", "bottom")
    if texts is None:
        return dict.fromkeys([*names, *(f"text_{zone}_share" for zone in zones)])
    sampled_s = sum(span.end_s - span.start_s for span in decoded.windows)
    shown = union(texts.texts)
    shares = {
        f"text_{zone}_share": length(union(text for text in texts.texts if text.box.zone == zone)) / sampled_s
        if sampled_s
        else None
        for zone in zones
    }
    opening = [text.text for text in texts.texts if text.start_s < HOOK_S]
    return {
        **shares,
        "text_share": min(1.0, length(shown) / sampled_s) if sampled_s else None,
        "text_lines": len(texts.texts),
        "chars_per_s": sum(len(text.text) for text in texts.texts) / sampled_s if sampled_s else None,
        "first_text_s": min((text.start_s for text in texts.texts), default=None),
        "hook_text": " / ".join(opening) or None,
        "hook_text_share": covered_share(shown, 0.0, min(HOOK_S, decoded.duration_s)),
        "text_curve": share_per_tenth(shown, decoded.duration_s),
    }


def speech_features(decoded: Decoded, speech: Speech | None) -> dict[str, Any]:
    """Words per minute of speech, so that pauses do not count as slow speaking."""
    if speech is None or speech.engine == "none":
        return dict.fromkeys(("words_per_min", "first_word_s", "hook_speech"))
    spoken_s = length(union(speech.segments))
    words = sum(len(segment.text.split()) for segment in speech.segments)
    opening = [segment.text for segment in speech.segments if segment.start_s < HOOK_S]
    return {
        "words_per_min": words / (spoken_s / 60) if spoken_s >= MIN_SPEECH_FOR_RATE_S else 0.0 if not words else None,
        "first_word_s": min((segment.start_s for segment in speech.segments), default=None),
        "hook_speech": " ".join(opening) or None,
    }


def call_to_action(duration_s: float, texts: Texts | None, speech: Speech | None) -> str | None:
    """The first words near the end that ask for something: what is read before what is heard."""
    ending_s = duration_s - max(ENDING_S, duration_s * ENDING_SHARE)
    lines = [text.text for text in (texts.texts if texts else ()) if text.end_s > ending_s]
    lines += [segment.text for segment in (speech.segments if speech else ()) if segment.end_s > ending_s]
    return next((line for line in lines if CALL_TO_ACTION.search(line)), None)


def union(spans: Iterable[Any]) -> list[Span]:
    """Spans (anything with start_s and end_s) joined where they touch, in order."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start_s):
        if joined and span.start_s <= joined[-1].end_s:
            joined[-1] = Span(start_s=joined[-1].start_s, end_s=max(joined[-1].end_s, span.end_s))
        else:
            joined.append(Span(start_s=span.start_s, end_s=span.end_s))
    return joined


def length(spans: Sequence[Span]) -> float:
    return sum(span.end_s - span.start_s for span in spans)


def covered_share(spans: Sequence[Span], start_s: float, end_s: float) -> float | None:
    """Share of [start_s, end_s] that disjoint spans cover."""
    if end_s <= start_s:
        return None
    covered_s = sum(max(0.0, min(span.end_s, end_s) - max(span.start_s, start_s)) for span in spans)
    return min(1.0, covered_s / (end_s - start_s))


def counts_per_tenth(times_s: Sequence[float], duration_s: float) -> list[float]:
    counts = [0.0] * CURVE_POINTS
    for time_s in times_s:
        counts[min(CURVE_POINTS - 1, int(time_s / duration_s * CURVE_POINTS))] += 1
    return counts


def share_per_tenth(spans: Sequence[Span], duration_s: float) -> list[float] | None:
    tenth_s = duration_s / CURVE_POINTS
    shares = [covered_share(spans, index * tenth_s, (index + 1) * tenth_s) for index in range(CURVE_POINTS)]
    return None if any(share is None for share in shares) else [share or 0.0 for share in shares]


def resampled(times_s: Sequence[float], values: Sequence[float], duration_s: float) -> list[float] | None:
    """Mean of a curve in each tenth of the video; a tenth without a value takes its neighbours' interpolation."""
    if not times_s or duration_s <= 0:
        return None
    tenth = np.minimum((np.asarray(times_s) / duration_s * CURVE_POINTS).astype(int), CURVE_POINTS - 1)
    filled = [index for index in range(CURVE_POINTS) if np.any(tenth == index)]
    means = [float(np.mean(np.asarray(values)[tenth == index])) for index in filled]
    return [float(value) for value in np.interp(range(CURVE_POINTS), filled, means)]


def mean_of(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None
