"""Which account is meant by a key or a name."""

from collections.abc import Sequence

from optimizer import PolicyError
from optimizer.errors import MOST_NAMED, meant


def key_of(known: Sequence[tuple[str, str]], wanted: str, missing: str) -> str:
    """The key of (key, name) that is wanted: a key, or a name that only one has.

    Raises PolicyError that says `missing` and the names there are, or the keys that a name may mean.
    """
    if any(key == wanted for key, _ in known):
        return wanted
    found = [key for key, name in known if name == wanted]
    if len(found) > 1:
        raise PolicyError(f"{len(found)} accounts have the name {wanted!r}: {_some(found)}; give the key")
    if not found:
        raise PolicyError(f"{missing}; {meant(wanted, [name for _, name in known])}")
    return found[0]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more; packfolio accounts list" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}"
