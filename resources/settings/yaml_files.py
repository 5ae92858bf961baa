"""Reading the YAML that a desk edits: every mistake named by file, line and key, all at once."""

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from optimizer.errors import PolicyError

Model = TypeVar("Model", bound=BaseModel)
Place = tuple[str | int, ...]


_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same grammar, ten times as fast


class _UniqueKeys(_Safe):  # type: ignore[misc]
    """The safe loader, refusing a key that stands twice: YAML would keep the last one silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys are unique; raises yaml.MarkedYAMLError otherwise."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value!r} stands twice; keep one", problem_mark=key.start_mark
                )
            seen.add(key.value)
        built: dict[Any, Any] = super().construct_mapping(node, deep)
        return built


def load_yaml(path: Path, model: type[Model]) -> Model:
    """The file as a `model`; raises PolicyError with every mistake as `file:line: key: what to do`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PolicyError(
            f"{path}: {error.strerror}; create it, or set PACKFOLIO_CONFIG to the folder that has it"
        ) from None
    return parse_yaml(text, model, str(path))


def parse_yaml(text: str, model: type[Model], name: str) -> Model:
    """`text` as a `model`; `name` stands for it in messages."""
    try:
        loaded = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506  a SafeLoader that also refuses duplicate keys
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PolicyError(f"{name}:{line}: {error.problem}") from None
    try:
        return model.model_validate(loaded)
    except ValidationError as error:
        lines = _lines(yaml.compose(text, Loader=_Safe))
        found = [_message(f"{name}:{_line(lines, item)}", item, model) for item in error.errors()]
        raise PolicyError("\n".join(found)) from None


def parse_value(value: object, model: type[Model], name: str) -> Model:
    """A value that came as JSON or Python as a `model`; `name` stands for it in messages.

    Raises PolicyError with every mistake as `name: key: what to do`.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise PolicyError("\n".join(_message(name, item, model) for item in error.errors())) from None


def field_faults(value: object, model: type[BaseModel], name: str) -> list[str]:
    """What is wrong with each key by itself, as `name: key: what to do`; not what keys say together."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        return [_message(name, item, model) for item in error.errors() if item["loc"]]
    return []


def _lines(node: yaml.Node | None, place: Place = ()) -> dict[Place, int]:
    """The line of every key and list item of a document."""
    if node is None:
        return {(): 1}
    lines = {place: node.start_mark.line + 1}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            lines |= _lines(value, (*place, key.value))
            lines[(*place, key.value)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines |= _lines(value, (*place, index))
    return lines


def _line(lines: dict[Place, int], error: ErrorDetails) -> int:
    known = tuple(error["loc"])
    while known not in lines and known:
        known = known[:-1]
    return lines.get(known, 1)


def _message(where: str, error: ErrorDetails, model: type[BaseModel]) -> str:
    place = tuple(error["loc"])
    key = ".".join(str(part) for part in place)
    said = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        said = f"unknown key{_nearest(str(place[-1]), place[:-1], model)}"
    elif error["type"] != "missing" and not isinstance(error.get("input"), dict | list):
        said += f" (it is {error.get('input')!r})"
    return ": ".join(filter(None, (where, key, said)))


def _nearest(key: str, place: Place, model: type[BaseModel]) -> str:
    """The valid key that was probably meant, else all of them."""
    valid = _fields_at(model, place)
    close = difflib.get_close_matches(key, valid, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; valid are {', '.join(valid)}" if valid else ""


def _fields_at(model: type[BaseModel], place: Place) -> list[str]:
    here: Any = model
    for part in place:
        if isinstance(part, int):
            continue
        field = here.model_fields.get(part) if _is_model(here) else None
        here = next((kind for kind in _kinds(field.annotation) if _is_model(kind)), None) if field else here
    return sorted(here.model_fields) if _is_model(here) else []


def _kinds(annotation: Any) -> list[Any]:
    inner = [kind for argument in getattr(annotation, "__args__", ()) for kind in _kinds(argument)]
    return [annotation, *inner]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
