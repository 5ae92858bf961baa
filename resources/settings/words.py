"""What is wrong with a value, in the desk's words in place of those of the library that found it."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from optimizer.model.exchange_rates import CURRENCY

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
    said = WORDS.get(kind)
    return said.format(**context) if said else "is not what belongs here; see the reference of this key"


def told(error: ValidationError) -> list[str]:
    """Everything that is wrong with a value, each as `key: what must be there`."""
    return [
        ": ".join(filter(None, (".".join(map(str, found["loc"])), in_words(found))))
        for found in error.errors()
    ]
