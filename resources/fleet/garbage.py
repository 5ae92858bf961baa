"""How often a process looks for objects that only name each other; what it computes is the same."""

import gc


def look_seldom() -> None:
    """From now on look after a million new objects, not after 700.

    Imports, and the portfolios of a stage, make millions that stay: to look through them again and again takes half a
    second of a command, and a fifteenth of a night of many accounts.
    """
    gc.set_threshold(1_000_000, 100, 1000)
