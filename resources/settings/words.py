"""What is wrong with a value, in the desk's words in place of those of the library that found it."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from optimizer.errors import meant
from optimizer.model.exchange_rates import CURRENCY
from resources.prices.source import shown

Place = tuple[str | int, ...]
MARK = re.compile(r"\[key\]|<\w+>|str|(list|dict|tuple|literal)\[.*\]")
NUMBERS = frozenset(
    {"float_type", "float_parsing", "decimal_type", "decimal_parsing", "int_type", "int_parsing"}
)
# $1,484.50, 0,03 and 3%; in WRITTEN_NUMBER a comma may part thousands or decimals.
WRITTEN_NUMBER = re.compile(
    r"[$\u20ac\u00a3]?\s?(-?)[$\u20ac\u00a3]?\s?(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+[.,]?\d*)\s?(%?)", re.A
)
IN_PERCENT = ("benchmark", "assets")  # whose names do not say it: weights by symbol
THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?", re.A)
OTHERS = "other_kinds"  # of a value that may be of several, in words
OWN = ("value_error", "assertion_error")  # the words of our own checks
WORDS: Mapping[str, str] = {
    "missing": "it is required; add it",
    "none_required": "must be left out",
    "string_type": "must be text",
    "string_unicode": "must be text in UTF-8",
    "string_too_short": "must have a length of {min_length} or more",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must have the form {pattern}",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "multiple_of": "must be a multiple of {multiple_of:g}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "list_type": "must be a list, such as [a, b]",
    "tuple_type": "must be a list, such as [a, b]",
    "set_type": "must be a list, such as [a, b]",
    "dict_type": "must be keys with values, such as {{a: 1, b: 2}}",
    "mapping_type": "must be keys with values, such as {{a: 1, b: 2}}",
    "model_type": "must be keys with values, such as `key: value`",
    "model_attributes_type": "must be keys with values, such as `key: value`",
    "too_short": "must have at least {min_length} entries; it has {actual_length}",
    "too_long": "must have at most {max_length} entries; it has more",
    "date_type": "must be a date such as 2024-01-31",
    "date_parsing": "must be a date such as 2024-01-31",
    "date_from_datetime_parsing": "must be a date such as 2024-01-31",
    "date_from_datetime_inexact": "must be a date such as 2024-01-31, without a time",
    "datetime_type": "must be a date with its time and zone, such as 2024-01-31T18:30:00Z",
    "datetime_parsing": "must be a date with its time and zone, such as 2024-01-31T18:30:00Z",
    "datetime_from_date_parsing": "must be a date with its time and zone, such as 2024-01-31T18:30:00Z",
    "timezone_aware": "must state its time zone, such as 2024-01-31T18:30:00Z",
    "uuid_type": "must be a UUID; make one: python -c 'import uuid; print(uuid.uuid4())'",
    "uuid_parsing": "must be a UUID; make one: python -c 'import uuid; print(uuid.uuid4())'",
    "union_tag_not_found": "must have the key {discriminator} that says what it is",
    "union_tag_invalid": "{discriminator} must be one of {expected_tags}; it is {tag}",
    "json_invalid": "must be JSON",
    "json_type": "must be JSON",
}  # fmt: skip
FORMS: Mapping[str, str] = {
    "^[A-Z]{3}$": "three capitals, such as USD",
    f"^({CURRENCY})$": "three capitals, such as USD or GBX, or a unit such as GBp or ZAc",
    "^[a-z0-9]+(-[a-z0-9]+)*$": "small letters and digits, with hyphens between, such as my-book",
    "^[a-z][a-z0-9_-]*$": "small letters, digits, _ and -, such as inbox",
    "^[A-Z0-9^][A-Z0-9.^=_/-]{0,23}$": "a symbol: capitals, digits and . ^ = _ / -, no space, such as BRK-B",
    r"^https?://\S+$": "an address that begins with http:// or https://",
    r"^[^@\s]+@[^@\s]+$": "a mail address, such as desk@example.org",
    "^[A-Z][A-Z0-9_]*$": "the name of a variable in capitals, such as DESK_HOOK",
}


def in_words(error: ErrorDetails | Mapping[str, Any]) -> str:
    """What is wrong with a value: what must be there."""
    kind, context = str(error["type"]), dict(error.get("ctx") or {})
    if kind in OWN:
        return str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if kind == "string_pattern_mismatch" and context.get("pattern") in FORMS:
        return f"must be {FORMS[context['pattern']]}"
    if (said := WORDS.get(kind)) is None:
        return "is not what belongs here; see the reference of this key"
    return ", or ".join([said.format(**context), *context.get(OTHERS, ())])


def told(error: ValidationError) -> list[str]:
    """Everything that is wrong with a value, each as `key: what must be there`."""
    return [
        ": ".join(filter(None, (".".join(map(str, found["loc"])), in_words(found))))
        for found in error.errors()
    ]


def mistakes(error: ValidationError) -> list[ErrorDetails]:
    """The mistakes in a value, less those of a kind of value that was not meant: another has mistakes inside it.

    Of a key that may be of several kinds and is of none there is one, which says all of them.
    """
    found = error.errors()
    deeper = {one["loc"][:size] for one in found for size in range(len(one["loc"]) - 1)}
    kept, of_kinds = list[ErrorDetails](), dict[Place, ErrorDetails]()
    for one in found:
        place = one["loc"][:-1] if one["loc"] and _is_kind(one["loc"][-1]) else None
        if place in deeper:
            continue
        if place is not None and one["type"] in WORDS:
            first = of_kinds.setdefault(place, one)
            if first is not one:
                others = [*first.get("ctx", {}).get(OTHERS, ()), in_words(one).removeprefix("must be ")]
                first["ctx"] = {**first.get("ctx", {}), OTHERS: others}
                continue
        kept.append(one)
    return kept


def key_in_words(where: str, error: ErrorDetails, model: type[BaseModel]) -> str:
    """What is wrong with a key of a `model`, as `where: key: what to do`; of one that is unknown, the one meant."""
    place = tuple(error["loc"])
    key = shown(".".join(str(part) for part in place if not _is_mark(part)))
    said = in_words(error)
    if error["type"] == "extra_forbidden":
        said = f"unknown key{_nearest(str(place[-1]), place[:-1], model)}"
    elif error["type"] != "missing" and not isinstance(error.get("input"), dict | list):
        said += f" (it is {shown(repr(error.get('input')))}){_number_meant(key, error)}"
    return ": ".join(filter(None, (where, key, said)))


def _number_meant(key: str, error: ErrorDetails) -> str:
    """What to write for a percentage where a fraction belongs, and for a number with signs that YAML does not read."""
    value, bounds = error.get("input"), error.get("ctx", {})
    in_percent = any(part.endswith("_pct") or part in IN_PERCENT for part in key.split("."))
    of_one = bounds.get("lt", bounds.get("le")) == 1
    if of_one and isinstance(value, int | float) and 1 <= value <= 100:
        return f"; for {value:g}% write {value / 100:g}"
    found = WRITTEN_NUMBER.fullmatch(value) if isinstance(value, str) else None
    if error["type"] not in NUMBERS or not found:
        return ""
    sign, digits, percent = found.groups()
    digits = digits.replace(",", "" if THOUSANDS.fullmatch(digits) else ".")
    number = Decimal(digits) / (100 if percent and not in_percent else 1)
    return f"; write {sign}{number.normalize():f}"


def _nearest(key: str, place: Place, model: type[BaseModel]) -> str:
    """The valid key that was probably meant, else all of them."""
    valid = _fields_at(model, place)
    return f"; {meant(key, valid)}" if valid else ""


def _fields_at(model: type[BaseModel], place: Place) -> list[str]:
    here: Any = model
    kinds: list[Any] = []
    for part in place:
        if isinstance(part, str) and _is_mark(part):
            tagged = [kind for kind in kinds if Tag(part) in getattr(kind, "__metadata__", ())]
            here = tagged[0].__origin__ if tagged else here
        elif isinstance(part, str) and _is_model(here) and part in here.model_fields:
            kinds = _kinds(here.model_fields[part].annotation)
            here = next((kind for kind in kinds if _is_model(kind)), None)
    return sorted(here.model_fields) if _is_model(here) else []


def _is_mark(part: int | str) -> bool:
    """Whether a part of a place is no key: pydantic's mark of a key's own fault, or the name of a kind of value."""
    return isinstance(part, str) and MARK.fullmatch(part) is not None


def _is_kind(part: int | str) -> bool:
    return _is_mark(part) and part != "[key]"


def _kinds(annotation: Any) -> list[Any]:
    inner = [kind for argument in getattr(annotation, "__args__", ()) for kind in _kinds(argument)]
    return [annotation, *inner]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
