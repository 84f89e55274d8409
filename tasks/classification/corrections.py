"""The correction file: niches that people have set by hand, `video_id,niche` with a heading. An empty niche means none."""

from __future__ import annotations

import csv
from pathlib import Path

from tasks.classification.niches import MAX_NAME_CHARS, RESERVED_NAMES
from tasks.errors import UsageError

COLUMNS = ("video_id", "niche")


def read_corrections(path: str | None) -> dict[str, str | None]:
    """video_id -> niche, None for no niche; {} without a file. Raises UsageError that names the file and the line."""
    if path is None:
        return {}
    corrections: dict[str, str | None] = {}
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise UsageError(f"corrections {path}: no column {missing[0]!r}; the first line is video_id,niche")
            for row in rows:
                video_id, niche = ((row[name] or "").strip() for name in COLUMNS)
                if not video_id:
                    raise UsageError(f"corrections {path} line {rows.line_num}: no video_id")
                if niche.casefold() in RESERVED_NAMES or len(niche) > MAX_NAME_CHARS:
                    shown = niche[:MAX_NAME_CHARS]
                    raise UsageError(f"corrections {path} line {rows.line_num}: {shown!r} can be no niche's name")
                if corrections.get(video_id, niche or None) != (niche or None):
                    raise UsageError(f"corrections {path} line {rows.line_num}: {video_id} is given two niches")
                corrections[video_id] = niche or None
    except UnicodeDecodeError:
        raise UsageError(f"corrections {path}: not UTF-8 text; save it as UTF-8") from None
    except csv.Error as error:
        raise UsageError(f"corrections {path}: not a CSV file ({error})") from None
    except OSError as error:
        raise UsageError(f"corrections {path}: {error.strerror}; give an existing file with --corrections") from None
    return corrections
