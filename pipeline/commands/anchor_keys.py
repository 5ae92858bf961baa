"""The commands of the anchor: its signing key, made, put in another's place, revoked; and time stamps."""

from pathlib import Path
from typing import Annotated

import typer

from optimizer import PolicyError
from pipeline.commands.proofs import checkpoint, newest_checkpoint
from pipeline.commands.terminal import Json, finish
from pipeline.environment import Environment


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    anchor = typer.Typer(no_args_is_help=True, help="The key that signs the anchor outside the warehouse.")
    for command in (keygen, rotate, revoke, checkpoint, stamp):
        anchor.command()(command)
    app.add_typer(anchor, name="anchor")


def keygen(
    path: Annotated[Path, typer.Argument(help="A new file for the private key, outside the home folder.")],
    as_json: Json = False,
) -> None:
    """Make the desk's Ed25519 key, by which each anchor line is signed once PACKFOLIO_ANCHOR_KEY names it."""
    from resources.ledger.signatures import make_keys

    public = make_keys(path.resolve(), Environment.of_process().home)
    finish({"private key": str(path), "public key": str(public)}, 0, as_json)


def rotate(
    new: Annotated[
        Path, typer.Argument(help="The private key that signs from now on, made by `anchor keygen`.")
    ],
    as_json: Json = False,
) -> None:
    """Write into the anchor, signed by the present key and by the new one, that the new one signs from here on."""
    from resources.ledger.anchor_lines import ROTATED
    from resources.ledger.signatures import KEY, PublicKey, signing_key
    from resources.store.warehouse import Warehouse

    here, old = Environment.of_process(), signing_key()
    if old is None:
        raise PolicyError(f"set {KEY} to the key that signs now; the first key needs no rotation")
    keys = PublicKey.of_private(old), PublicKey.of_private(new)
    if keys[0] == keys[1]:
        raise PolicyError(f"{new} is the key that signs already")
    told = {"old_key": keys[0].text, "new_key": keys[1].text}
    number = Warehouse(here.home, here.anchor).tell_anchor(ROTATED, told, new)
    finish(
        {"line": number, "do": f"set {KEY} to {new} before the next run, and give out its public key"},
        0,
        as_json,
    )


def revoke(
    public: Annotated[
        Path, typer.Argument(help="The public key that no line may be signed with from here on.")
    ],
    reason: Annotated[str, typer.Option(help="Why; goes on record.")],
    as_json: Json = False,
) -> None:
    """Write into the anchor that a key is not to be believed any more: what it signs after this line is a fault."""
    from resources.ledger.anchor_lines import REVOKED
    from resources.ledger.signatures import KEY, PublicKey, signing_key
    from resources.store.warehouse import Warehouse

    here, signs = Environment.of_process(), signing_key()
    key = PublicKey.of_file(public)
    if len(reason.strip()) < 5:
        raise PolicyError("--reason must say why the key is revoked; it goes on record")
    if signs is None:
        raise PolicyError(f"set {KEY} to the key that signs now: it must sign that the other is revoked")
    if PublicKey.of_private(signs) == key:
        raise PolicyError(
            f"{public} is the key that signs now: `packfolio anchor rotate` first, then set {KEY}"
        )
    told = {"revoked_key": key.text, "reason": reason.strip()}
    finish({"line": Warehouse(here.home, here.anchor).tell_anchor(REVOKED, told)}, 0, as_json)


def stamp(
    url: Annotated[str, typer.Argument(help="A time stamp service after RFC 3161.")],
    roots: Annotated[Path, typer.Option(help="Certificates (PEM) that its answers must rest on.")],
    as_json: Json = False,
) -> None:
    """Have the newest checkpoint stamped by a service's clock; `packs verify --stamp-roots` checks it from then on."""
    from resources.ledger import timestamps
    from resources.store.file_lock import held
    from resources.store.warehouse import LOCK_SECONDS

    store, line = newest_checkpoint()
    file, trusted = timestamps.stamps_beside(store.anchor), timestamps.read_roots(roots)
    # the file is read, and written anew with one more
    with held(store.home / "timestamps.lock", LOCK_SECONDS, f"{file}"):
        made = timestamps.stamp(line, url, trusted, file)
    finish({"line": made.place, "rows": line.count, "stamped at": made.at}, 0, as_json)
