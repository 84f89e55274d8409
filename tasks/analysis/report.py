"""The HTML report: one page that opens from disk, without a server or the internet."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tasks.analysis.changes import changes
from tasks.analysis.effects import effects, headline
from tasks.analysis.material import Material
from tasks.analysis.nights import Nights
from tasks.analysis.overview import overview
from tasks.analysis.panels import cluster_names, details, feature_names, niche_places, table_rows
from tasks.analysis.sheets import niche_sheets, overall_sheets
from tasks.analysis.spreads import Spreads

_HERE = Path(__file__).parent


def render_report(tables: Mapping[str, pa.Table | pd.DataFrame]) -> str:
    """The page as HTML text. All text from videos is escaped; the script shows it as text nodes only.

    `tables` holds the contract's tables by name (see tasks/schemas.py); a missing one counts as empty. The page is to lie at
    OUT/report/index.html: it refers to the pictures that `videos.pictures` names under OUT.
    """
    material = Material(tables)
    spreads, nights, works = Spreads(material), Nights(material), effects(material)
    style, script = (
        (_HERE / "report.css").read_text(encoding="utf-8"),
        (_HERE / "report.js").read_text(encoding="utf-8"),
    )
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "allow_nan": False, "separators": (",", ":")}
    return environment.get_template("report.html.j2").render(
        overview=overview(material),
        changes=changes(material, nights),
        works=works,
        headline=headline,
        niches=niche_sheets(material, spreads, nights),
        overall=overall_sheets(material, spreads, nights),
        material=material,
        rows=table_rows(material),
        clusters=cluster_names(material),
        details=details(material, spreads),
        features={"names": feature_names(), "niches": niche_places(spreads)},
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
    )


def _policy(style: str, script: str) -> str:
    """A content security policy that lets in this page's one style, its one script and pictures beside it."""
    return "; ".join(
        (
            "default-src 'none'",
            "img-src 'self' file:",
            f"style-src {_source_hash(style)}",
            f"script-src {_source_hash(script)}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _source_hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
