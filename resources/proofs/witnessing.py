"""Witnesses: another's key under a checkpoint, given only where the ledger has grown from what was seen before."""

import base64
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from optimizer import PolicyError
from resources.ledger.atomic_file import write_whole
from resources.ledger.signatures import private_key
from resources.proofs.check_proof import WITNESS, check, parsed, read_key
from resources.store.file_lock import held

LOCK_SECONDS = 30.0


def cosign(
    proof: Path, desk: Path, own: Path, seen: Path, at: datetime, first: bool = False
) -> dict[str, Any]:
    """The witness's line for the checkpoint of a proof, which is remembered in `seen` from now on.

    first  nothing was seen yet; only then may `seen` be missing, and must be
    Raises Refused where the proof does not hold, or does not continue the checkpoint that was seen last; PolicyError
    where a file cannot be read; DataError where another process keeps `seen`.
    """
    # Of two histories that are shown at once one alone continues what was seen.
    if not seen.parent.is_dir():
        raise PolicyError(f"--seen: there is no folder {seen.parent}")
    with held(seen.with_name(f"{seen.name}.lock"), LOCK_SECONDS, str(seen)):
        _refuse_other_memory(seen, first)
        return _signed(proof, desk, own, seen, at)


def _refuse_other_memory(seen: Path, first: bool) -> None:
    """Raises PolicyError for a memory that is missing, which any history continues, and for one that must not be."""
    if seen.exists() and first:
        raise PolicyError(f"--first: something was seen already, {seen} tells what; leave --first out")
    if not seen.exists() and not first:
        raise PolicyError(
            f"--seen: there is no {seen}, and whatever is shown would be signed: name the file of what was seen last, "
            f"or give --first where nothing was"
        )


def _signed(proof: Path, desk: Path, own: Path, seen: Path, at: datetime) -> dict[str, Any]:
    try:
        key, text = read_key(desk), proof.read_bytes()
        before = [parsed(seen.read_bytes(), str(seen))] if seen.exists() else []
    except (OSError, TypeError, ValueError) as error:
        why = str(error).split("] ", 1)[-1]  # no [Errno 2]
        raise PolicyError(f"a file or a key cannot be read: {why}") from None
    private = private_key(own)
    found = check(parsed(text, str(proof)), key, before).checkpoint
    # before the signature leaves: what was signed is never forgotten
    write_whole(seen, (json.dumps(found) + "\n").encode())
    line = {"at": at.isoformat(), **{name: found[name] for name in ("count", "head", "root")}}
    line["key"] = base64.b64encode(private.public_key().public_bytes_raw()).decode()
    signature = private.sign(WITNESS + json.dumps(line, sort_keys=True).encode())
    return {**line, "signature": base64.b64encode(signature).decode()}
