"""Reading the YAML that a desk edits: every mistake named by file, line and key, all at once."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from yaml.parser import ParserError
from yaml.scanner import ScannerError

from optimizer import PolicyError
from optimizer.errors import how_many
from resources.prices.source import shown
from resources.settings.words import Place, key_in_words, mistakes

Model = TypeVar("Model", bound=BaseModel)
LARGEST, DEEPEST, MOST_TOLD = 8 << 20, 32, 50  # bytes, levels, mistakes
LONGEST_NUMBER = 100  # signs; one by sixties takes the square of its length to read

_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same grammar, ten times as fast


class _Loader(_Safe):  # type: ignore[misc]
    """The safe loader, with every place where YAML would silently read something else than was meant in `faults`.

    A key that stands twice (the last one would win), a key that is neither text nor a whole number (ON, NO, 0700), an
    octal number or one by sixties (0700 is 448, 1:30 is 90), and no day of the calendar.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.faults: list[tuple[int, str]] = []

    def fault(self, node: yaml.Node, said: str) -> None:
        """Notes what is wrong at a node."""
        self.faults.append((node.start_mark.line + 1, said))

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys are unique and text."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                said = "a key is a list or a mapping; it must be a word"
                raise yaml.MarkedYAMLError(problem=said, problem_mark=key.start_mark)
            word = shown(key.value)
            if key.value in seen:
                self.fault(key, f"the key '{word}' stands twice; keep one")
            if key.tag == INTEGER and DECIMAL.fullmatch(key.value):
                key.tag = TEXT  # 10 largest weights, 7203 in Tokyo: as a key it is written as it is read
            if key.tag not in (TEXT, MERGE):
                self.fault(key, f"the key {word} is no text in YAML; quote it: '{word}'")
            seen.add(key.value)
        built: dict[Any, Any] = super().construct_mapping(node, deep)
        return built

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """A number in decimals."""
        if len(node.value) > LONGEST_NUMBER:
            said = f"a number has {len(node.value)} signs, at most {LONGEST_NUMBER} are read; quote it where it is text"
            raise yaml.MarkedYAMLError(problem=said, problem_mark=node.start_mark)
        kind = super().construct_yaml_int if node.tag == INTEGER else super().construct_yaml_float
        value: int | float = kind(node)
        if ODD_NUMBER.fullmatch(node.value):
            said = f"{shown(node.value)} is read as {value} in YAML"
            self.fault(node, f"{said}; quote it where it is text, else write it in decimals")
        return value

    def construct_day(self, node: yaml.ScalarNode) -> Any:
        """A day of the calendar."""
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError as error:
            self.fault(node, f"{shown(node.value)} is no day of the calendar: {error}")
            return None


QUOTED = ("'", '"', "|", ">")
TEXT, INTEGER, MERGE = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "merge"))
DECIMAL = re.compile(r"0|-?[1-9][0-9]*", re.A)
ODD_NUMBER = re.compile(r"[-+]?(0[0-9_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)", re.A)
_Loader.add_constructor(INTEGER, _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_day)


def read_text(path: Path) -> str:
    """The text of a file that a desk edits; raises PolicyError for one that is none."""
    try:
        if os.path.lexists(path) and not path.is_file():  # a pipe would be waited for, a device has no end
            raise PolicyError(
                f"{path} is a folder, a pipe, a device or a link to no file; put the file itself there"
            )
        if (size := path.stat().st_size) > LARGEST:
            raise PolicyError(f"{path}: it has {size >> 20} MB, at most {LARGEST >> 20} are read; split it")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PolicyError(
            f"{path}: {error.strerror}; create it, or set PACKFOLIO_CONFIG to the folder that has it"
        ) from None
    except UnicodeDecodeError as error:
        line = 1 + error.object.count(b"\n", 0, error.start)
        raise PolicyError(f"{path}:{line}: byte {error.start + 1} is not UTF-8; save it as UTF-8") from None


class PlacedError(ValueError):
    """A fault that a validator of the whole finds in a part; `place` says where, by keys and list items."""

    def __init__(self, said: str, *place: str | int) -> None:
        super().__init__(said)
        self.place = place


def load_yaml(path: Path, model: type[Model]) -> Model:
    """The file as a `model`; raises PolicyError with every mistake as `file:line: key: what to do`."""
    return parse_yaml(read_text(path), model, str(path))


def every_mistake(first: PolicyError, *reads: Callable[[], object]) -> PolicyError:
    """One error with the mistakes of all the reads, in their order; `first` where none of them is wrong."""
    said = []
    for read in reads:
        try:
            read()
        except PolicyError as error:
            said.append(str(error))
    return PolicyError("\n".join(said)) if said else first


def parse_yaml(text: str, model: type[Model], name: str) -> Model:
    """`text` as a `model`; `name` stands for it in messages."""
    with _told_by(name, text):
        loaded = _loaded(text, name)
        checked = _checked({} if loaded is None else loaded, model)
        if not isinstance(checked, list):
            return checked
        root = yaml.compose(text, Loader=_Safe)
        said = [_told(name, item, model, root) for item in checked[:MOST_TOLD]]
        raise PolicyError(_all_of(said, len(checked), name))


def plain_value(text: str, name: str) -> Any:
    """What YAML says, as plain values; `name` stands for it in messages. Raises PolicyError for whatever is none."""
    with _told_by(name, text):
        return _loaded(text, name)


@contextmanager
def _told_by(name: str, text: str) -> Iterator[None]:
    """What reading a text ends in becomes a PolicyError with its name."""
    try:
        yield
    except PolicyError:
        raise
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PolicyError(f"{name}:{line}: {error.problem}{_remedy(error, line, text)}") from None
    except Exception as error:  # what a stranger's text can do to a parser has no list
        said = f"reading it ended in {type(error).__name__}: {shown(str(error))}"
        raise PolicyError(f"{name}: {said}; look at the file, and write it as the examples do") from error


def _remedy(error: yaml.MarkedYAMLError, line: int, text: str) -> str:
    """What to do about a text that is no YAML; the parser names the line at which it noticed, and no cause."""
    if "another document" in str(error.problem):
        return "; a file is one document: take out the line ---"
    if not isinstance(error, ScannerError | ParserError):
        return ""
    here = "".join(text.splitlines()[line - 1 : line])
    if "\t" in here[: len(here) - len(here.lstrip())]:
        return "; a tab stands at its beginning: indent with spaces"
    return (
        "; look at this line and those above it: the keys of a block begin in one column, each colon has a space "
        "behind it, quotes and brackets are closed, and a text that begins with % @ ` or a bracket stands in quotes"
    )


def _loaded(text: str, name: str) -> Any:
    """What the text says, as plain values; raises PolicyError where YAML would read something else than was meant."""
    _refuse_structure(text, name)
    loader = _Loader(text)
    try:
        loaded = loader.get_single_data()
    finally:
        loader.dispose()
    if loader.faults:
        said = [f"{name}:{line}: {fault}" for line, fault in sorted(loader.faults)[:MOST_TOLD]]
        raise PolicyError(_all_of(said, len(loader.faults), name))
    return loaded


def _refuse_structure(text: str, name: str) -> None:
    """Raises PolicyError for an alias, which can make a gigabyte of a line, and for what is nested too deep.

    Looked for in the stream of events, before anything is built.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Safe):
        line = 1 + (event.start_mark.line if event.start_mark else 0)
        if isinstance(event, yaml.AliasEvent):
            said = f"*{event.anchor} stands for what &{event.anchor} says: aliases are not read"
            raise PolicyError(f"{name}:{line}: {said}; write it out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise PolicyError(f"{name}:{line}: it is nested deeper than {DEEPEST} levels; no setting is")


class _WrittenOut(yaml.SafeDumper):
    """Writes everything out where it stands."""

    def ignore_aliases(self, data: Any) -> bool:
        """Always."""
        return True


def written_out(text: str) -> str:
    """The text with each alias replaced by what it stands for: for what was recorded when aliases were read."""
    if not any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_Safe)):
        return text
    return str(yaml.dump(yaml.load(text, Loader=_Safe), Dumper=_WrittenOut, sort_keys=False))  # noqa: S506  it is safe


def _all_of(said: list[str], count: int, name: str) -> str:
    """The mistakes told, and how many more there are."""
    more = [f"{name}: and {how_many(count - len(said), 'more mistake')}"] if count > len(said) else []
    return "\n".join([*said, *more])


def parse_value(value: object, model: type[Model], name: str) -> Model:
    """A value that came as JSON or Python as a `model`; `name` stands for it in messages.

    Raises PolicyError with every mistake as `name: key: what to do`.
    """
    checked = _checked(value, model)
    if not isinstance(checked, list):
        return checked
    said = [key_in_words(name, item, model) for item in checked[:MOST_TOLD]]
    raise PolicyError(_all_of(said, len(checked), name))


def _checked(value: object, model: type[Model]) -> Model | list[ErrorDetails]:
    """The value as a `model`, or its mistakes.

    Not as pydantic's error, which no refusal may be raised from: it keeps from the garbage collector what it holds,
    the frames of a check among them, and a server keeps all that a refused request held.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        return mistakes(error)


def field_faults(value: object, model: type[BaseModel], name: str) -> list[str]:
    """What is wrong with each key by itself, as `name: key: what to do`; not what keys say together."""
    checked = _checked(value, model)
    wrong = checked if isinstance(checked, list) else []
    return [key_in_words(name, item, model) for item in wrong if item["loc"]]


def _told(name: str, error: ErrorDetails, model: type[BaseModel], root: yaml.Node | None) -> str:
    within = getattr(error.get("ctx", {}).get("error"), "place", ())
    line, node = _at(root, (*error["loc"], *within))
    said = key_in_words(f"{name}:{line}", error, model)
    no_text = node is not None and node.tag != TEXT and getattr(node, "style", "|") not in QUOTED
    if node is not None and no_text and error["type"] in ("string_type", "literal_error"):
        said += f"; YAML reads {shown(node.value)} as no text: quote it, '{shown(node.value)}'"
    return said


def _at(node: yaml.Node | None, place: Place) -> tuple[int, yaml.Node | None]:
    """The line of a key or list item, and its node; parts of the place that name a kind, not a key, are passed over."""
    line = 1 if node is None else node.start_mark.line + 1
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
            if found:
                line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line, node
