"""The report: what it says, that it is harmless, and that a real browser shows it from disk."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from report_tables import HOSTILE, KINDS, build_tables

from tasks.analysis.material import web_link
from tasks.analysis.measures import MEASURES, measure_of
from tasks.analysis.plots import CurvePair, curve_plot
from tasks.analysis.report import render_report
from tasks.analysis.summary import REPORT
from tasks.errors import StorageError
from tasks.schemas import NUMERIC_FEATURES, TABLES
from tasks.storage import Storage

BROWSER_ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    write_report(build_tables(60, folder, picture_sets=20), folder)
    return folder


def write_report(tables: dict[str, Any], folder: Path) -> None:
    Storage(str(folder)).write(REPORT, render_report(tables).encode())


def text_of(page: str) -> str:
    """The page's visible text: no scripts, no styles, no tags."""
    page = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def data_of(page: str, name: str) -> Any:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def empty_tables(**rows: list[dict[str, Any]]) -> dict[str, pa.Table]:
    return {name: pa.Table.from_pylist(rows.get(name, []), schema=schema) for name, schema in TABLES.items()}


def test_every_numeric_feature_has_words() -> None:
    assert tuple(sorted(MEASURES)) == tuple(sorted(NUMERIC_FEATURES))


def test_values_are_said_with_their_unit_and_unknown_as_a_dash() -> None:
    assert measure_of("text_share").say(0.254) == "25 %"
    assert measure_of("loudness_db").say(-14.2) == "−14 dB"
    assert measure_of("first_cut_s").say(None) == "–"
    assert measure_of("sharpness").say(float("nan")) == "–"
    assert measure_of("pacing").label == "Pacing"


def test_page_shows_niches_clusters_exemplars_and_failures(out: Path) -> None:
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    text = text_of(page)
    for kind in KINDS:
        assert kind.label in text
        assert kind.niche in text
    assert "20 done, 40 reused, 2 failed" in text
    assert "drone shots with a title, last seen on 21 November 2026, 03:00 UTC" in text
    assert "The file has sound but no pictures." in text
    ways = len(KINDS) + 2  # two of them over all niches
    assert page.count('class="plot"') == 2 * ways  # the curves over the video, and the share from run to run
    assert len(data_of(page, "rows")) == 60
    assert page.count('<article class="exemplar">') == 3 * ways


def test_page_says_what_works_and_how_surely(out: Path) -> None:
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    text = text_of(page)
    assert "Of 7 comparisons of views and likes, 5 are clear enough to claim; at most 5 % of such claims" in text
    assert "2.04 × the views of the niche’s other videos (1.61 to 2.58; " in text
    assert "Views: no clear difference (0.70 to 1.30 × those of the niche’s other videos)." in text
    assert (
        "Cooking: first text after 0.2 s rather than 3.4 s goes with 2.00 × the views (1.49 to 2.70; 40 videos" in text
    )
    assert "Cuts per minute" not in text[text.index("Features, the better end") : text.index("Niches", 2000)]
    assert page.count('class="interval up"') == 4
    assert page.count('class="interval down"') == 1


def test_nothing_is_claimed_where_nothing_was_asked(tmp_path: Path) -> None:
    tables = build_tables(12, tmp_path)
    rows = [
        {name: value for name, value in row.items() if "_lift" not in name} for row in tables["clusters"].to_pylist()
    ]
    tables["clusters"] = pa.Table.from_pylist(rows, schema=TABLES["clusters"])
    text = text_of(render_report({**tables, "lifts": TABLES["lifts"].empty_table()}))
    assert "Views, date and uploader are known of 12 videos here. To ask what works takes ten videos" in text
    assert "×" not in text[text.index("To ask what works") : text.index("Niches", text.index("To ask what works"))]


def test_page_says_what_changed_since_the_run_before(out: Path) -> None:
    text = text_of((out / "report" / "index.html").read_text(encoding="utf-8"))
    assert "What changed since the run of 21 November 2026, 03:00 UTC" in text
    assert "Templates of 60 videos, 58 in the run before. 20 videos of this page were done in the last run." in text
    assert "2 failures were not there before." in text
    assert re.search(r"growing\s+fast cuts, captions throughout, no voice \(cooking\)\s*: \d+ of \d+ now", text)


def test_a_first_run_changed_nothing(tmp_path: Path) -> None:
    tables = build_tables(12, tmp_path)
    runs = tables["runs"].slice(1)
    videos = tables["videos"].set_column(
        tables["videos"].schema.get_field_index("run_id"), "run_id", pa.array(["run-2"] * 12)
    )
    trends = tables["trends"].filter(pc.equal(tables["trends"]["run_id"], "run-2"))
    first = {**tables, "runs": runs, "videos": videos, "trends": trends, "clusters": TABLES["clusters"].empty_table()}
    text = text_of(render_report(first))
    assert "What changed" not in text
    assert "From run to run" not in text


def test_every_picture_of_the_page_is_beside_it_and_nothing_is_remote(out: Path) -> None:
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    sources = re.findall(r'<img src="([^"]+)"', page)
    assert sources
    assert all((out / "report" / source).resolve().is_file() for source in sources)
    assert not re.findall(r'(?:src|href)="https?:', page)
    assert "default-src &#39;none&#39;" in page
    assert "style=" not in markup_of(page)


def markup_of(page: str) -> str:
    return re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)


def test_hostile_words_are_never_markup(out: Path) -> None:
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert page.count("<script") == 5  # four blocks of data and our own
    assert "<img src=x" not in page
    assert "<svg onload" not in page
    assert HOSTILE[0] in {row[1] for row in data_of(page, "rows")}
    assert not [
        detail for detail in data_of(page, "details") if not detail.get("link", "https://").startswith("https://")
    ]


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "JaVaScRiPt:alert(1)", " data:text/html,x", "//host/x", "http:", "http://[", "", None],
)
def test_only_web_addresses_become_links(url: str | None) -> None:
    assert web_link(url) is None


def test_web_addresses_become_links() -> None:
    assert web_link(" https://video.example/1 ") == "https://video.example/1"


def test_no_videos_are_said_in_words() -> None:
    for tables in ({}, empty_tables()):
        text = text_of(render_report(tables))
        assert "No videos yet" in text
        assert "Nothing failed." in text


def test_three_videos_are_said_to_be_too_few(tmp_path: Path) -> None:
    text = text_of(render_report(build_tables(3, tmp_path, hostile=False)))
    assert "3 videos are too few to find ways of building videos" in text
    assert "1 video is too few to tell ways of building apart" in text


@pytest.mark.parametrize(("outcome", "words"), [("killed", "was killed"), ("running", "is under way, or was stopped")])
def test_a_run_without_an_end_is_said(tmp_path: Path, outcome: str, words: str) -> None:
    tables = build_tables(3, tmp_path, hostile=False)
    [*_, last] = tables["runs"].to_pylist()
    unended = {"run_id": "run-3", "started_at": last["started_at"] + timedelta(days=1), "outcome": outcome}
    runs = pa.concat_tables([tables["runs"], pa.Table.from_pylist([unended], schema=TABLES["runs"])])
    text = text_of(render_report({**tables, "runs": runs}))
    assert f"The run of 23 November 2026, 03:00 UTC {words}" in text


def test_classified_videos_without_templates(tmp_path: Path) -> None:
    video = {"video_id": "a", "title": "A", "niche": "cooking", "status": "classified", "uri": "a.mp4"}
    page = render_report(empty_tables(videos=[video]))
    assert "None of them has been taken apart yet." in text_of(page)
    assert data_of(page, "rows")[0][:4] == ["a", "A", None, "cooking"]


def test_unknown_values_everywhere() -> None:
    template = {"video_id": "a", "niche": None, "cluster_id": "c-1", "brightness": float("nan"), "pacing": [0.0, 1.0]}
    cluster = {
        "cluster_id": "c-1",
        "exemplar_video_ids": ["a", "gone"],
        "distinguishing_features": ["text_share", "new"],
    }
    tables = empty_tables(
        videos=[{"video_id": "a"}], templates=[template], clusters=[cluster], failures=[{}], runs=[{"run_id": "r"}]
    )
    page = render_report(tables)
    assert "NaN" not in page
    assert data_of(page, "details")[0]["features"][0] == ["–", None]


def test_data_frames_say_the_same_as_arrow_tables(tmp_path: Path) -> None:
    tables = build_tables(8, tmp_path)
    assert render_report({name: table.to_pandas() for name, table in tables.items()}) == render_report(tables)


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    tables = build_tables(12, tmp_path)
    turned = {
        name: table.take(pa.array(range(table.num_rows - 1, -1, -1), pa.int64()))
        for name, table in tables.items()
        if name not in ("clusters", "failures")
    }
    assert data_of(render_report({**tables, **turned}), "details") == data_of(render_report(tables), "details")


def test_a_report_that_fails_leaves_the_old_one(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (out / "report" / "index.html").read_bytes()

    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("tasks.storage.os.replace", broken)
    with pytest.raises(StorageError, match="disk full"):
        write_report({}, out)
    assert (out / "report" / "index.html").read_bytes() == before
    assert [path.name for path in (out / "report").iterdir()] == ["index.html"]


def test_plot_is_coloured_by_the_page_only() -> None:
    pair = CurvePair("Pacing <b>", [0, 1, 2, 3, 0, 0, 0, 0, 0, 5], [0.5] * 10, is_share=False)
    plot = curve_plot([pair], 'a "plot"')
    assert "Pacing &lt;b&gt;" in plot
    assert "peak 5.0" in plot
    assert {"cluster-area", "cluster-line", "niche-line"} <= set(re.findall(r'class="([\w-]+)"', plot))
    assert not re.search(r'style=|#[0-9a-f]{6}|\bid=|fill="', plot)


# ---- in a browser ----


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=chromium, args=BROWSER_ARGS)
        yield started
        started.close()


@pytest.fixture
def opened(browser: Any, out: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The report opened from disk; fails the test on any message, error, failed or remote request."""
    context = browser.new_context(**getattr(request, "param", {"viewport": {"width": 1280, "height": 900}}))
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda sent: complaints.append(f"failed: {sent.url}"))
    page.on("request", lambda sent: complaints.append(sent.url) if not sent.url.startswith("file:") else None)
    page.goto((out / "report" / "index.html").as_uri())
    yield page
    assert page.evaluate("window.stolen") is None
    context.close()
    assert complaints == []


def test_browser_draws_timelines_with_their_words(opened: Any) -> None:
    opened.locator(".timeline svg").nth(14).wait_for(state="attached")
    label = opened.locator(".timeline svg").first.get_attribute("aria-label")
    assert "shots" in label
    assert "on-screen text" in label
    assert opened.locator(".timeline .text").count() > 0
    assert opened.locator(".timeline .speech").count() > 0
    assert opened.locator(".timeline .dissolve").count() > 0


def test_browser_searches_filters_and_sorts(opened: Any) -> None:
    rows, found = opened.locator("#body tr"), opened.locator("#found")
    assert rows.count() == 60
    opened.fill("#search", "cooking video 31")
    opened.get_by_text("1 of 60 videos").wait_for()
    assert "Cooking video 31" in rows.inner_text()
    opened.fill("#search", "")
    opened.locator("#found").get_by_text("60 videos", exact=True).wait_for()
    opened.select_option("#niche", "travel")
    assert found.inner_text().endswith("of 60 videos")
    assert rows.count() < 20
    opened.select_option("#niche", "*")
    opened.get_by_role("button", name="Cuts/min").click()
    cuts = [float(text) for text in opened.locator("#body td:nth-child(7)").all_inner_texts()]
    assert cuts == sorted(cuts, reverse=True)
    assert opened.locator("[data-key=cuts]").get_attribute("aria-sort") == "descending"
    opened.locator(".cluster .size a").first.click()
    assert "Cluster: " in opened.locator("#cluster").inner_text()
    assert rows.count() < 20


def test_browser_lists_what_the_last_run_did_and_clusters_over_all_niches(opened: Any) -> None:
    opened.get_by_role("link", name="List them").click()
    opened.get_by_text("20 of 60 videos").wait_for()
    opened.locator("#fresh").click()
    opened.locator("#found").get_by_text("60 videos", exact=True).wait_for()
    opened.locator("#everywhere .cluster .size a").first.click()
    assert opened.locator("#cluster").inner_text() in ("Cluster: no voice ✕", "Cluster: a voice throughout ✕")
    assert len(set(opened.locator("#body td:nth-child(3)").all_inner_texts())) > 1


def test_browser_opens_and_closes_a_panel_by_keyboard(opened: Any) -> None:
    opened.fill("#search", "video 31")
    opened.get_by_text("1 of 60 videos").wait_for()
    opened.locator("#body .title a").focus()
    opened.keyboard.press("Enter")
    panel = opened.locator("#panel[open]")
    panel.wait_for()
    assert opened.url.endswith("#video=video00031")
    for heading in ("On-screen texts", "Transcript", "Shots", "Against its niche", "About the file"):
        assert panel.get_by_role("heading", name=heading).count() == 1
    assert panel.locator("a[href='https://video.example/video00031']").count() == 1
    opened.keyboard.press("Escape")
    panel.wait_for(state="hidden")
    assert "video=" not in opened.url


def test_browser_shows_hostile_words_as_words(opened: Any) -> None:
    for number, words in enumerate(HOSTILE):
        opened.evaluate("id => { location.hash = 'video=' + id; }", f"video{number:05d}")
        opened.locator("#panel-title").get_by_text(words, exact=True).wait_for()
        assert words in opened.locator("#panel .description").inner_text()
        assert opened.locator("#panel a[href^='javascript:']").count() == 0
    assert opened.locator("#panel script, #panel iframe").count() == 0


@pytest.mark.parametrize(
    "opened",
    [
        {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True},
        {"viewport": {"width": 820, "height": 1100}, "color_scheme": "dark"},
    ],
    indirect=True,
)
def test_browser_never_scrolls_sideways(opened: Any) -> None:
    width = opened.viewport_size["width"]
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    opened.locator("#body tr").first.click()
    opened.locator("#panel[open]").wait_for()
    assert opened.evaluate("document.getElementById('panel').scrollWidth") <= width


@pytest.mark.parametrize(
    "opened",
    [
        {"viewport": {"width": 1280, "height": 900}},
        {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
        {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    ],
    ids=["desktop", "phone", "dark"],
    indirect=True,
)
def test_browser_has_nothing_to_say_against_its_accessibility(opened: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    opened.locator(".timeline svg").nth(14).wait_for(state="attached")
    assert findings(axe.run(opened)) == []
    opened.locator("#body tr").first.click()
    opened.locator("#panel[open]").wait_for()
    assert findings(axe.run(opened, "#panel")) == []


def findings(results: Any) -> list[str]:
    """What axe (https://www.deque.com/axe) calls critical, serious or moderate, with the first element of each."""
    return [
        f"{found['impact']} {found['id']}: {found['help']}; {found['nodes'][0]['html'][:200]}"
        for found in results.response["violations"]
        if found["impact"] != "minor"
    ]


def test_browser_finds_headings_in_order_and_names_for_all_controls(opened: Any) -> None:
    levels = opened.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4,h5')].map((heading) => Number(heading.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert opened.locator("img:not([alt])").count() == 0
    unnamed = "[...document.querySelectorAll('input, select')].filter((control) => !control.labels.length).length"
    assert opened.evaluate(unnamed) == 0
