"""The report's plots: matplotlib draws them, the page's style sheet colours them."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.transforms import Affine2D

_SVG = "{http://www.w3.org/2000/svg}"
_WIDTH_PX, _ROW_PX, _TREND_PX, _PX_PER_INCH = 300, 58, 34, 72
#: Style properties that stay as attributes. Colours and fonts are the style sheet's, so that dark mode reaches them.
_KEPT = {"stroke-width", "stroke-dasharray", "font-size", "text-anchor"}


@dataclass(frozen=True)
class CurvePair:
    """One feature over the video, two or more values each: the mean of a cluster and of its niche."""

    label: str
    cluster: Sequence[float]
    niche: Sequence[float]
    is_share: bool  # shares are drawn against the whole, other curves against their peak


def curve_plot(pairs: Sequence[CurvePair], description: str) -> Markup:
    """An inline SVG with one row per pair; its parts carry the classes cluster-area, cluster-line and niche-line.

    `description` is what the plot says to those who can't see it. The SVG holds no colour, no id and no style: it takes
    its colours from the page and passes a content security policy that forbids inline styles.
    """

    def draw(figure: Figure) -> None:
        for row, pair in enumerate(pairs):
            _draw_row(figure, row, len(pairs), pair)

    return _svg(_ROW_PX * len(pairs), draw, description)


def trend_plot(shares: Sequence[float], description: str) -> Markup:
    """The same of a share (0 to 100, two values or more) from run to run, each run as far from the next."""
    last = len(shares) - 1
    scale = Affine2D().scale(0.99 / last, 0.8 / (max(shares) or 1.0)).translate(0.005, 0.1)

    def draw(figure: Figure) -> None:
        place = scale + figure.transFigure
        line = Line2D(range(last + 1), shares, gid="cluster-line", linewidth=2, transform=place)
        base = Line2D([0, last], [0, 0], gid="base-line", linewidth=1, transform=place)
        for artist in (base, line):
            figure.add_artist(artist, clip=False)

    return _svg(_TREND_PX, draw, description)


def _svg(height_px: int, draw: Callable[[Figure], None], description: str) -> Markup:
    with matplotlib.rc_context({"svg.fonttype": "none", "path.simplify": False}):
        figure = Figure(figsize=(_WIDTH_PX / _PX_PER_INCH, height_px / _PX_PER_INCH))
        FigureCanvasSVG(figure)
        draw(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _inline(buffer.getvalue(), description)


def _draw_row(figure: Figure, row: int, rows: int, pair: CurvePair) -> None:
    """Artists straight on the figure: axes cost ten times as much as all that is drawn here, and none is shown."""
    points = len(pair.cluster)
    top = 1.0 if pair.is_share else max([*pair.cluster, *pair.niche]) or 1.0
    scale = Affine2D().scale(0.99 / (points - 1), 0.58 / rows / top).translate(0.005, (rows - 1 - row) / rows + 0.03)
    place = scale + figure.transFigure
    tenths = list(range(points))
    outline = [(0, 0), *zip(tenths, pair.cluster, strict=True), (points - 1, 0)]
    dashes = (0, (3, 2.4))
    for artist in (
        Polygon(outline, gid="cluster-area", linewidth=0, transform=place),
        Line2D(tenths, pair.niche, gid="niche-line", linewidth=1.4, linestyle=dashes, transform=place),
        Line2D(tenths, pair.cluster, gid="cluster-line", linewidth=2, transform=place),
        Line2D([0, points - 1], [0, 0], gid="base-line", linewidth=1, transform=place),
    ):
        figure.add_artist(artist, clip=False)
    peak = max(pair.cluster)
    height = (rows - 1 - row + 0.75) / rows
    figure.text(0.005, height, pair.label, fontsize=11)
    figure.text(
        0.995, height, f"peak {100 * peak:.0f} %" if pair.is_share else f"peak {peak:.1f}", fontsize=11, ha="right"
    )


def _inline(document: bytes, description: str) -> Markup:
    """matplotlib's SVG document as an element of an HTML page."""
    source = ET.fromstring(document)
    svg = ET.Element(
        "svg", {"viewBox": source.attrib["viewBox"], "class": "plot", "role": "img", "aria-label": description}
    )
    for group in source.iter(f"{_SVG}g"):
        for drawn in group:
            if drawn.tag in (f"{_SVG}path", f"{_SVG}text") and not group.attrib.get("id", "").startswith(
                ("patch", "figure")
            ):
                svg.append(_plain(drawn, group.attrib.get("id", "").rstrip("_0123456789")))
    return Markup(ET.tostring(svg, encoding="unicode"))  # ElementTree escapes what it writes


def _plain(drawn: ET.Element, name: str) -> ET.Element:
    element = ET.Element(drawn.tag.removeprefix(_SVG), {"class": name})
    for key in ("d", "x", "y"):
        if key in drawn.attrib:
            element.set(key, " ".join(drawn.attrib[key].split()))
    for declaration in drawn.attrib.get("style", "").split(";"):
        key, _, value = declaration.partition(":")
        if key.strip() in _KEPT:
            element.set(key.strip(), value.strip())
    element.text = drawn.text
    return element
