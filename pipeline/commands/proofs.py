"""The commands of proofs that leave the house: prove, check, and the checkpoints that others keep."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from optimizer import PolicyError
from pipeline.commands.terminal import Json, err, print_json, reader
from pipeline.environment import Environment
from resources.ledger.record_error import FAULT

MOST_DIGITS = 19  # of a number of rows


class Form(StrEnum):
    """What `prove` prints."""

    proof = "proof"
    in_toto = "in-toto"


Checkpoint = Annotated[
    list[Path] | None,
    typer.Option(help="A checkpoint, or an earlier proof, that was kept; may be repeated."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(prove)
    app.command()(check)
    app.command()(witness)


def prove(
    table: Annotated[str, typer.Argument(help="An output table, such as trades or optimal_weights.")],
    key: Annotated[list[str], typer.Argument(help="PACK, then SYMBOL, PORTFOLIO or both where it has them.")],
    since: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE|ROWS", help="Also link to this checkpoint; may be repeated."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="Newest dates of which price rows are shown.")] = 5,
    witnessed: Annotated[
        bool, typer.Option("--witnessed", help="Rest on the newest checkpoint that a witness co-signed.")
    ] = False,
    form: Annotated[
        Form, typer.Option("--format", help="proof, or in-toto: a signed statement of its provenance.")
    ] = Form.proof,
) -> None:
    """Print the proof of a result, as JSON: its rows and all they came from, for somebody who has nothing else."""
    from resources.ledger.anchors import read_anchors
    from resources.ledger.signatures import signing_key
    from resources.proofs.checkpoints import cosignatures, lines_about_keys, rooted_lines
    from resources.proofs.in_toto import envelope
    from resources.proofs.proving import Witnessed, prove

    store, signer = opened_store(), signing_key()
    if form is Form.in_toto and signer is None:
        raise PolicyError(
            "an in-toto statement is signed: set PACKFOLIO_ANCHOR_KEY to the desk's private key"
        )
    sizes = [
        int(one) if one.isdecimal() and len(one) < MOST_DIGITS else _rows_of(Path(one)) for one in since or ()
    ]
    with reader() as con, store.tree.read(con) as tree:
        lines = rooted_lines(store, now())  # after the copy: a run may publish meanwhile
        on = Witnessed(lines, cosignatures(store.anchor), sizes, witnessed, lines_about_keys(store.anchor))
        document = prove(con, tree, table, key, on, days)
        if signer is not None and form is Form.in_toto:
            document = envelope(con, document, signer, read_anchors(store.anchor))
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


def witness(
    proof: Annotated[Path, typer.Argument(help="Any proof of the desk's, with its newest checkpoint.")],
    key: Annotated[Path, typer.Option(help="The desk's public key.")],
    sign_with: Annotated[Path, typer.Option(help="The witness's own private key.")],
    seen: Annotated[Path, typer.Option(help="File of the checkpoint seen last; replaced when it grew.")],
    first: Annotated[
        bool,
        typer.Option(
            "--first", help="Nothing was seen yet: the file of --seen is made, and any proof holds."
        ),
    ] = False,
) -> None:
    """Co-sign the checkpoint of a proof, if it continues the one seen last; needs no home.

    The line it prints goes to the desk, into `witnesses.jsonl` beside the anchor. Exit 3 when the proof does not hold.
    """
    from resources.proofs.check_proof import Refused
    from resources.proofs.witnessing import cosign

    try:
        typer.echo(json.dumps(cosign(proof, key, sign_with, seen, now(), first)))
    except Refused as refusal:
        err.print(f"not signed: {refusal}", highlight=False, soft_wrap=True)  # stdout is the desk's file
        raise typer.Exit(FAULT) from None


def checkpoint() -> None:
    """Print the newest checkpoint, for an auditor or a witness to keep; one is written where no line has a root yet."""
    print_json(dict(newest_checkpoint()[1].told))


def now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


def opened_store() -> Any:
    """The warehouse of the home; raises RecordError where it is lost, DataError where nothing was recorded."""
    from resources.store.warehouse import Warehouse

    here = Environment.of_process()
    store = Warehouse(here.home, here.anchor)
    store.refuse_none()
    return store


def newest_checkpoint() -> tuple[Any, Any]:
    """The warehouse, and the newest line of its anchor with a root; raises RecordError where the two do not fit."""
    from resources.proofs.checkpoints import rooted_lines

    store = opened_store()
    # What was put back or cut off has an older line, which nobody should keep as the newest.
    store.refuse_unlike()
    return store, rooted_lines(store, now())[-1]
