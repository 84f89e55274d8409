"""Wording: text that strangers may have written (titles, file names, what is read and heard), as it may be shown.

The tables keep what was written. What is printed, logged or put into Markdown goes through here.
"""

from __future__ import annotations

import logging
import re

MAX_SHOWN = 2000  # characters of a line that people read
#: What steers a terminal, ends a line, or turns the direction of what follows (Unicode's bidirectional controls), and
#: halves of characters, which cannot be encoded.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~&$:@])")


def shown(words: str, most: int = MAX_SHOWN) -> str:
    r"""One line for a terminal, a log or a table of failures: control characters are written out (\x1b, \u202e)."""
    line = _STEERING.sub(_written_out, words[: most + 1])
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    short = {9: "\\t", 10: "\\n", 13: "\\r"}
    return short.get(code) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def markdown(words: str) -> str:
    """The same as plain text within Markdown: no link, picture, table or HTML comes of it."""
    return _MARKDOWN.sub(r"\\\1", shown(words))


class OneLine(logging.Formatter):
    """Log messages as they may be shown; what the program itself adds (a traceback) keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = shown(record.message)
        return super().formatMessage(record)
