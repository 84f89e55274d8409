"""A session for those who only look: its tables are read, nothing is fetched, and no pool is started."""

from __future__ import annotations

from flows.session import Session
from tasks.settings import Settings
from tasks.tables import Tables


def looking(source: str | None, out: str, settings: Settings, limit: int | None = None) -> Session:
    """What a run of these settings would find. Weights that are missing are not fetched, so that `auto` may choose
    another engine than the run would; the choice's note says so."""
    text = settings.text.model_copy(update={"download": False})
    speech = settings.speech.model_copy(update={"download": False})
    opened = Session("run", source, out, settings.model_copy(update={"text": text, "speech": speech}), limit)
    opened.tables = Tables(out, read_only=True)
    return opened
