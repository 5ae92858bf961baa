"""Adding dated holdings to a portfolio's YAML file: everything that the desk wrote stays as it is."""

from pathlib import Path

from optimizer import PolicyError
from resources.brokers.holdings import with_block
from resources.ledger.atomic_file import write_whole
from resources.settings.portfolios import HoldingsFile, PortfolioFile, load_portfolios
from resources.settings.yaml_files import load_yaml, parse_yaml


def portfolio_path(folder: Path, wanted: str) -> tuple[Path, PortfolioFile]:
    """The file of the portfolio of that name or UUID; raises PolicyError that lists the names."""
    found = load_portfolios(folder).find(wanted)
    for path in sorted(folder.glob("*.yaml")):
        if load_yaml(path, PortfolioFile).id == found.id:
            return path, found
    raise PolicyError(f"the file of {wanted} in {folder} changed while it was read; run it again")


def add_holdings(path: Path, block: str) -> HoldingsFile | None:
    """Add a block of holdings to a portfolio's file; None where the same holdings are there already.

    Raises PolicyError for a paper book, other holdings of the same date, and a block that does not fit the file.
    """
    text = path.read_text(encoding="utf-8")
    before = parse_yaml(text, PortfolioFile, str(path))
    if before.mode == "paper":
        raise PolicyError(
            f"{before.name} is a paper book, whose trades count as filled: set mode: live to keep its holdings yourself"
        )
    added = with_block(text, block, str(path))
    after = parse_yaml(added, PortfolioFile, f"{path} with the new holdings")
    known = {held.as_of: held for held in before.holdings}
    new = after.holdings[-1]
    if known.get(new.as_of) == new:
        return None
    if new.as_of in known:
        raise PolicyError(
            f"{path} has other holdings of {new.as_of} already: correct them there, or say another date with --as-of"
        )
    if after != before.model_copy(update={"holdings": [*before.holdings, new]}):
        raise PolicyError(
            f"{path}: the block does not fit its `holdings:`; write them as a list, an entry a date"
        )
    write_whole(path, added.encode())
    return new
