"""How quickly the report opens from disk: `python -m benchmarks.opening --videos 1000 20000`.

Synthetic tables (tests/report_tables.py) are drawn as a report, which Chromium opens with a fresh profile. Reported per
size: CPU seconds of drawing, size of the page, and until the page has loaded, until its table of videos is there, and
until a panel that was asked for shows; the median of several openings, also with a processor slowed down four times.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tasks.analysis.report import render_report
from tests.report_tables import build_tables

OPENINGS = 5


def opened(browser: Any, index: Path, slowed: int) -> list[float]:
    """Seconds from asking for the page until it has loaded and has its table, and from asking for a panel until it shows."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slowed})
    start = time.perf_counter()
    page.goto(index.as_uri(), wait_until="load")
    seconds = [time.perf_counter() - start]
    page.wait_for_selector("#body tr")
    seconds.append(time.perf_counter() - start)
    asked = time.perf_counter()
    page.evaluate("location.hash = document.querySelector('#body .title a').getAttribute('href')")
    page.wait_for_selector("#panel[open] .timeline svg")
    seconds.append(time.perf_counter() - asked)
    context.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, nargs="+", default=[1000, 20000])
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("No Chromium on this machine; install Debian's package chromium.")
    print(
        "| videos | drawn, CPU s | page, MB | slowed | loaded, s | table, s | panel, s |\n|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--headless", "--no-sandbox"])
        for videos in options.videos:
            out = Path(folder) / str(videos)
            tables = build_tables(videos, out, hostile=False)
            start = time.process_time()
            page = render_report(tables)
            drawn = time.process_time() - start
            index = out / "report" / "index.html"
            index.parent.mkdir()
            index.write_text(page, encoding="utf-8")
            for slowed in (1, 4):
                runs = [opened(browser, index, slowed) for _ in range(OPENINGS)]
                told = " | ".join(f"{statistics.median(column):.2f}" for column in zip(*runs, strict=True))
                print(
                    f"| {videos:,} | {drawn:.1f} | {len(page.encode()) / 1e6:.1f} | {slowed} × | {told} |", flush=True
                )
        browser.close()


if __name__ == "__main__":
    main()
