"""Bounds: where the files that a source names may lie. A manifest, or a folder with links in it, may be a stranger's.

A local file must lie, wherever its links lead, below the folder of its source, or below one of `sources.roots`; an
address must have one of `sources.schemes`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tasks.addresses import is_chained, masked, scheme_of
from tasks.errors import OutOfBounds
from tasks.settings import Sources


@dataclass(frozen=True)
class Bounds:
    """folders: without links, and below which a file may lie. schemes: lower case; `file` stands for local files."""

    folders: tuple[str, ...]
    schemes: frozenset[str]
    _resolved: dict[str, str] = field(default_factory=dict)  # folder as it is written -> without links

    @classmethod
    def of(cls, settings: Sources, own: Iterable[Path] = ()) -> Bounds:
        """own: the folders of the source itself."""
        folders = [*own, *(Path(root).expanduser() for root in settings.roots)]
        schemes = frozenset(scheme.lower() for scheme in settings.schemes)
        return cls(tuple(os.path.realpath(folder) for folder in folders), schemes)

    def check(self, path: Path, uri: str) -> None:
        """Raises OutOfBounds for a local file that lies elsewhere. Nothing of the file itself is looked at, so that nobody
        learns whether it is there.
        """
        if "file" not in self.schemes:
            raise OutOfBounds(f"{masked(uri)}: local files are not among the allowed schemes", _allow("file"))
        real = self._real(path)
        if not any(real == folder or real.startswith(folder.rstrip("/") + "/") for folder in self.folders):
            where = f" ({real})" if real != uri else ""
            raise OutOfBounds(
                f"{masked(uri)}: leads out of the source's folder{where}",
                f"If it is meant, allow the folder that holds it: --set sources.roots={Path(real).parent}",
            )

    def holds(self, path: Path) -> bool:
        try:
            self.check(path, str(path))
        except OutOfBounds:
            return False
        return True

    def check_address(self, address: str) -> None:
        """Raises OutOfBounds for an address whose scheme is not allowed, or that has a file system within another."""
        shown, scheme = masked(address), scheme_of(address)
        if is_chained(address) or "::" in scheme:
            raise OutOfBounds(f"{shown}: a file system within another", "Name the file itself; chains are not opened.")
        if scheme not in self.schemes:
            raise OutOfBounds(f"{shown}: {scheme}:// is not among the allowed schemes", _allow(scheme))

    def _real(self, path: Path) -> str:
        """Without links. A folder is looked at once, and a file that is no link not again."""
        try:
            is_link = path.is_symlink()
        except OSError:  # no file can have this name; who opens it is told so
            is_link = False
        if is_link or path.name in ("", ".."):
            return os.path.realpath(path)
        parent = str(path.parent)
        if parent not in self._resolved:
            self._resolved[parent] = os.path.realpath(parent)
        return f"{self._resolved[parent].rstrip('/')}/{path.name}"


def _allow(scheme: str) -> str:
    return f"If it is meant, add {scheme} to the setting sources.schemes; or copy the file to a local folder."
