"""What the files of a folder of prices say of themselves, before a desk is made from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import get_args

import pyarrow.compute as pc

from resources.prices.files import Reading
from resources.prices.folder import FolderSource
from resources.prices.source import Basis, FileRejected
from resources.settings.sources import ASSUMED_CURRENCY

MOST_BYTES = 256 << 20  # seconds of reading; the first ingest reads the rest
BASES: tuple[Basis, ...] = get_args(Basis)
OPEN = "AMBIGUOUS_BASIS"
SILENT = (OPEN, "BASIS_ASSUMED", "NO_DIVIDENDS")


@dataclass(frozen=True)
class PriceFolder:
    """A folder of prices as its files tell it.

    told     basis -> the files whose columns say it
    silent   what is taken where a file does not say it, None where the file is refused for that -> the files
    refused  each other file of which nothing can be taken, with the reason
    symbols  whose prices there are
    newest   the last day that any file has; None where none can be read
    whole    whether all files were read
    """

    told: Mapping[Basis, Sequence[str]]
    silent: Mapping[Basis | None, Sequence[str]]
    refused: Sequence[str]
    symbols: frozenset[str]
    newest: date | None
    whole: bool


def look(folder: Path, basis: Basis | None = None) -> PriceFolder:
    """Read a folder's files as its first ingest will; `basis` is what the desk says of them, if it does."""
    told: dict[Basis, list[str]] = {}
    silent: dict[Basis | None, list[str]] = {}
    refused, symbols, days, size = list[str](), set[str](), set[date](), 0
    source = FolderSource("inbox", folder, "**/*", Reading("inbox", ASSUMED_CURRENCY, basis))
    for found in source.deliveries(None, None, lambda key: False):
        if isinstance(found, FileRejected):
            if [one.code for one in found.findings] == [OPEN]:
                silent.setdefault(None, []).append(found.name)
            else:
                refused.append(str(found))
            continue
        says = silent if any(one.code in SILENT for one in found.warnings) and not basis else told
        says.setdefault(found.basis, []).append(found.payload_name)
        symbols.update(found.rows["symbol"].unique().to_pylist())
        days.add(pc.max(found.rows["date"]).as_py())
        size += (folder / found.payload_name).stat().st_size
        if size > MOST_BYTES:
            return PriceFolder(told, silent, refused, frozenset(symbols), max(days), whole=False)
    return PriceFolder(told, silent, refused, frozenset(symbols), max(days, default=None), whole=True)
