"""The commands of proofs that leave the house: prove, check, and the checkpoints that others keep."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from optimizer import PolicyError
from pipeline.commands.terminal import Json, print_json, reader
from pipeline.environment import Environment

Checkpoint = Annotated[
    list[Path] | None,
    typer.Option(help="A checkpoint, or an earlier proof, that was kept; may be repeated."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(prove)
    app.command()(check)


def prove(
    table: Annotated[str, typer.Argument(help="An output table, such as trades or optimal_weights.")],
    key: Annotated[list[str], typer.Argument(help="PACK, then SYMBOL, then PORTFOLIO where it has them.")],
    since: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE|ROWS", help="Also link to this checkpoint; may be repeated."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="Newest dates of which price rows are shown.")] = 5,
) -> None:
    """Print the proof of a result, as JSON: its rows and all they came from, for somebody who has nothing else."""
    from resources.proofs.checkpoints import rooted_lines
    from resources.proofs.proving import Witnessed, prove

    store = _store()
    lines = rooted_lines(store, _now())
    sizes = [int(one) if one.isdecimal() else _rows_of(Path(one)) for one in since or ()]
    with reader() as con, store.tree.read(con) as tree:
        document = prove(con, tree, table, key, Witnessed(lines, since=sizes), days)
    print_json(document)


def _rows_of(file: Path) -> int:
    from resources.proofs.check_proof import Refused, checkpoint_of, parsed

    try:
        told = parsed(file.read_bytes(), str(file))
        return int(checkpoint_of(told.get("checkpoint", told), str(file))["count"])
    except (OSError, AttributeError, TypeError, KeyError, Refused) as error:
        raise PolicyError(f"--since: {file} is no checkpoint: {error}") from None


def check(
    proof: Annotated[Path, typer.Argument(help="A file that `packfolio prove` printed.")],
    key: Annotated[Path | None, typer.Option(help="The desk's public key.")] = None,
    checkpoint: Checkpoint = None,
    witness: Annotated[
        list[Path] | None,
        typer.Option(help="The public key of a witness who must have co-signed; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a proof with nothing but the desk's key; exit 3 when it does not hold, with the reason in one sentence.

    It runs `resources/proofs/check_proof.py`, one file that also runs alone, on Python and `cryptography`.
    """
    from resources.proofs.check_proof import main

    words = [str(proof), *(["--key", str(key)] if key else []), *(["--json"] if as_json else [])]
    words += [word for file in checkpoint or () for word in ("--checkpoint", str(file))]
    words += [word for file in witness or () for word in ("--witness", str(file))]
    raise typer.Exit(main(words))


def checkpoint() -> None:
    """Print the newest checkpoint, for an auditor or a witness to keep; one is written where no line has a root yet."""
    from resources.proofs.checkpoints import as_written, rooted_lines

    print_json(as_written(rooted_lines(_store(), _now())[-1]))


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _store() -> Any:
    from resources.store.warehouse import Warehouse

    here = Environment.of_process()
    store = Warehouse(here.home, here.anchor)
    if not store.path.exists():
        raise PolicyError(f"there is no {store.path}: run `packfolio run` first, or set PACKFOLIO_HOME")
    return store
