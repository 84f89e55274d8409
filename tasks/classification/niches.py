"""The niches file: loaded, checked, and complained about by line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import yaml

from tasks.classification.text import normalise
from tasks.errors import UsageError
from tasks.records import Record
from tasks.settings import SAMPLE_NICHES, Classification

#: Videos without a niche form a group of this name, so no niche may have it.
RESERVED_NAMES = frozenset({"unclassified", "null", "none"})
MAX_NAME_CHARS = 60
_TEXT_FIELDS, _LIST_FIELDS = ("name", "description"), ("keywords", "examples")
_FORMAT = "niches: [{name: cooking, description: Recipes and food, keywords: [recipe, '#foodtok'], examples: [...]}]"


class NicheDescription(Record):
    """One niche as its author describes it."""

    name: str
    description: str
    keywords: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()


class NicheSet(Record):
    """All niches of a file, in its order."""

    niches: tuple[NicheDescription, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(niche.name for niche in self.niches)

    @property
    def identity(self) -> str:
        """Hash of what the file says; comments and layout do not matter."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def niches_of(settings: Classification) -> NicheSet:
    """The niches of `settings.niches`, else those that come with reelscope. Raises UsageError."""
    return load_niches(Path(settings.niches) if settings.niches else SAMPLE_NICHES)


def load_niches(path: Path) -> NicheSet:
    """The niches of a YAML file.

    Raises UsageError, naming the file and the line, for what is not readable, not YAML or not a list of at least two
    distinct niches with a name and a description each.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise UsageError(f"niches file {path}: not UTF-8 text ({error.reason}); save it as UTF-8") from None
    except RecursionError:
        raise UsageError(f"niches file {path}: nested too deeply; write {_FORMAT}") from None
    except OSError as error:
        raise UsageError(f"niches file {path}: {error.strerror}; give an existing YAML file with --niches") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UsageError(f"niches file {path}{where}: not valid YAML: {problem}") from None
    return _Reader(path).niche_set(root)


class _Reader:
    """Walks the YAML nodes rather than their values, so that every complaint has its line and `yes` stays a word."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def niche_set(self, root: yaml.Node | None) -> NicheSet:
        entries = root
        if isinstance(root, yaml.MappingNode):
            by_key = {str(key.value): value for key, value in root.value}
            if set(by_key) != {"niches"}:
                raise self._error(root, f"the top level has exactly one key, 'niches'; write {_FORMAT}")
            entries = by_key["niches"]
        if root is None or not isinstance(entries, yaml.SequenceNode):
            raise self._error(root, f"expected a list of niches; write {_FORMAT}")
        niches: list[NicheDescription] = []
        for entry in entries.value:
            niche = self._niche(entry)
            if niche.name.casefold() in {other.name.casefold() for other in niches}:
                raise self._error(entry, f"a second niche {niche.name!r}; join the two or rename one")
            niches.append(niche)
        if len(niches) < 2:
            raise self._error(root, f"{len(niches)} niche(s) found; at least two are needed to tell videos apart")
        return NicheSet(niches=tuple(niches))

    def _niche(self, node: yaml.Node) -> NicheDescription:
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, f"a niche is a mapping with a name and a description; write {_FORMAT}")
        values: dict[str, str | tuple[str, ...]] = {}
        for key, value in node.value:
            if key.value in _TEXT_FIELDS:
                values[key.value] = self._text(value, f"the {key.value}")
            elif key.value in _LIST_FIELDS:
                values[key.value] = self._texts(value, key.value)
            else:
                known = ", ".join(_TEXT_FIELDS + _LIST_FIELDS)
                raise self._error(key, f"unknown field {key.value!r} of a niche; known are {known}")
        missing = [field for field in _TEXT_FIELDS if field not in values]
        if missing:
            raise self._error(node, f"the niche {values.get('name', '')!r} has no {missing[0]}; add one")
        name = str(values["name"])
        if name.casefold() in RESERVED_NAMES or len(name) > MAX_NAME_CHARS:
            raise self._error(
                node, f"the name {name[:MAX_NAME_CHARS]!r} is reserved or longer than {MAX_NAME_CHARS} characters"
            )
        if not normalise(name):
            raise self._error(node, f"the name {name!r} has no letter or digit")
        return NicheDescription(**values)  # type: ignore[arg-type]

    def _texts(self, node: yaml.Node, field: str) -> tuple[str, ...]:
        if not isinstance(node, yaml.SequenceNode):
            raise self._error(node, f"{field} must be a list: [one, two]")
        return tuple(self._text(item, f"an entry of {field}") for item in node.value)

    def _text(self, node: yaml.Node, what: str) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(node, f"{what} must be text")
        text = " ".join(str(node.value).split())
        if not text:
            raise self._error(node, f'{what} is empty; a hashtag needs quotes ("#mealprep"), or YAML reads a comment')
        return text

    def _error(self, node: yaml.Node | None, message: str) -> UsageError:
        line = f" line {node.start_mark.line + 1}" if node is not None else ""
        return UsageError(f"niches file {self.path}{line}: {message}")
