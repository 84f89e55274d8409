"""What strangers write stays in the tables as it is, and reaches no terminal, log or artifact raw."""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from flows import cli, command, enquiry, preview, seeing
from flows.progress import Bars
from tasks.errors import NotAVideo
from tasks.sources.catalog import failure
from tasks.wording import MAX_SHOWN, OneLine, markdown, shown
from tests.clips import write_clip
from tests.conftest import Home

#: Clears the screen, turns text round, ends the line, rings, opens a link, and is markup of Rich, of HTML and of Markdown.
EVIL = "\x1b[2J\x1b]8;;http://x\x07\u202egnp.\u2066\n\r\x9b31m\u2028[/][red]<img src=x onerror=alert(1)> [a](http://x) | `b`"
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def clean(printed: str) -> str:
    """What was printed, without Rich's own colours."""
    assert not RAW.search(printed), ascii(printed)
    return printed


def test_lines_are_lines_and_are_bounded() -> None:
    assert (
        shown("caf\u00e9 🎬🏳️‍🌈 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645")
        == "caf\u00e9 🎬🏳️‍🌈 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    )
    assert shown("a\x1b[31mb\tc\nd\u202ee\ud800\x85") == r"a\x1b[31mb\tc\nd\u202ee\ud800\x85"
    assert len(shown("x" * 10_000_000)) == MAX_SHOWN
    assert clean(shown(EVIL)) == shown(EVIL)


def test_markdown_is_plain_text() -> None:
    from markdown_it import MarkdownIt

    told = [
        EVIL,
        "# title",
        "- item",
        "1. one",
        "a | b\n---|---",
        "![x](http://x)",
        "http://x",
        "&lt;b&gt;",
        "~~x~~",
        "***",
    ]
    for words in told:
        (opening, inline, closing) = MarkdownIt("js-default").parse(markdown(words))
        assert (opening.type, closing.type) == ("paragraph_open", "paragraph_close")
        assert {child.type for child in inline.children or []} <= {"text", "text_special"}
        assert "".join(child.content for child in inline.children or []) == shown(words).strip()


def test_a_failures_message_is_one_bounded_line() -> None:
    told = failure(EVIL, EVIL, "decode", NotAVideo(EVIL + "x" * 100_000))
    clean(told.message)
    assert len(told.message) == MAX_SHOWN
    assert told.video_id == told.uri == EVIL


FIGURES: dict[str, Any] = {
    **{"command": "run", "run_id": "r", "source": EVIL, "out": EVIL, "report": f"/x/{EVIL}/index.html"},
    **dict.fromkeys(("videos", "done", "reused", "failed", "classified", "pruned"), 1),
    "failures": [{"video_id": EVIL, "stage": "decode", "error_type": "E", "message": EVIL, "advice": EVIL}],
    **{"stage_seconds": {"decode": 1.0}, "device_turns": [], "took_s": 1.0},
    **dict.fromkeys(("model_s_per_video_hour", "device_busy_share", "forecast_s")),
}


def test_no_printed_line_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    written = io.StringIO()
    console = Console(file=written, width=200, color_system=None)
    command.show(FIGURES, console)
    with Bars(Console(file=written, width=200, color_system=None)) as bars:
        bars.say(EVIL)
    clean(written.getvalue())
    assert written.getvalue().count(shown(EVIL)[:20]) >= 4
    shows = {
        "quarantined": [EVIL],
        "unreadable": [{"video_id": EVIL, "message": EVIL}],
        "notes": [EVIL],
        "forecast": {"wall_s": None, "why_not": EVIL},
        "todo_by_stage": {"decode": 1},
        **{"source": EVIL, "not_pruned": EVIL, "to_prune": [EVIL]},
        **dict.fromkeys(("videos", "todo", "reused", "to_classify", "from_cache", "todo_s", "unknown_lengths"), 1),
    }
    preview.show(shows)
    stages = [{"stage": "decode", "verdict": "redone", "why": EVIL}]
    enquiry.show({"video_id": EVIL, "uri": EVIL, "status": None, "notes": [EVIL], "stages": stages})
    with pytest.raises(SystemExit):
        cli.fail(EVIL)
    printed = capsys.readouterr()
    clean(printed.out)
    clean(printed.err)
    assert "<img" in printed.out
    assert "<img" in printed.err


def test_no_logged_line_steers_the_terminal() -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(OneLine("%(message)s"))
    log = logging.Logger("test")
    log.addHandler(handler)
    log.warning("cache entry %s cannot be read", EVIL)
    assert clean(written.getvalue()).count("\n") == 1


def test_artifacts_hold_no_markup_of_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    for kind in ("markdown", "link", "table"):
        monkeypatch.setattr(seeing, f"create_{kind}_artifact", lambda *a, k=kind, **kw: made.update({k: (a, kw)}))
    monkeypatch.setattr(seeing, "figures_of", lambda run: FIGURES)

    class Run:
        source, out = EVIL, EVIL

    seeing.summarise(Run(), "pipeline")  # type: ignore[arg-type]
    (page,), told = made["markdown"]
    assert "](http://x)" not in page
    assert "<img" not in page.replace(r"\<img", "")
    assert told["description"] == markdown(f"pipeline of {EVIL}")
    (rows,), _ = made["table"]
    assert all(clean(value) for value in rows[0].values())
    (address,), told = made["link"]
    clean(address)
    clean(told["link_text"])


def test_a_run_over_hostile_names_prints_none_of_them_raw(home: Home, tmp_path: Path) -> None:
    """The whole pipeline: the names are kept in the tables, and reach no terminal."""
    source = tmp_path / "videos[/]"
    source.mkdir(parents=True)  # two folders, whose path holds Rich's markup
    names = ("\x1b[2Jtwo\nlines", "\u202egnp\x07 [red]", "n" * 251)
    noise = np.random.default_rng(0)
    for name in names:
        try:
            write_clip(source / "made.mp4", noise.integers(0, 255, (8, 64, 96, 3), np.uint8)).rename(
                source / f"{name}.mp4"
            )
        except OSError:
            pytest.skip("this file system takes fewer names")
    (source / "bad\x1b[31m\nname.mp4").write_text("words\n" * 40)
    (source / "bad\x1b[31m\nname.info.json").write_text("{")
    options = ("--speech", "none", "--set", "text.detector_px=320", "--set", f"cache.dir={tmp_path / 'cache'}")
    ran = home.reelscope("run", source, "--out", tmp_path / "out[/]", *options)
    assert ran.code == 0, ran.stderr
    clean(ran.stdout)
    clean(ran.stderr)
    assert r"bad\x1b[31m\nname.mp4" in ran.stdout
    videos = pd.read_parquet(tmp_path / "out[/]" / "videos").set_index("video_id")
    assert dict(videos.loc[list(names), "status"]) == dict.fromkeys(names, "complete")
