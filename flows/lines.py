"""Lines on stdout, for those who read; `--json` has its own."""

from __future__ import annotations

import typer

from tasks.wording import shown


def say(words: str) -> None:
    """Print one line. Ids, names and titles in it may be a stranger's."""
    typer.echo(shown(words))
