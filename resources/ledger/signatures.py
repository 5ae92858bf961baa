"""Signatures of anchor lines: Ed25519 (RFC 8032), with a key of the desk that never lies in the warehouse's home."""

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from optimizer import PolicyError
from resources.ledger.atomic_file import force_to_disk, write_whole

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY = "PACKFOLIO_ANCHOR_KEY"  # path of the private key
SIGNATURE, COUNTERSIGNATURE = "signature", "countersignature"
SIGNATURES = frozenset({SIGNATURE, COUNTERSIGNATURE})
PURPOSE = b"packfolio anchor\n"  # a signature given for anything else does not fit a line


def make_keys(path: Path, home: Path) -> Path:
    """Write a new private key to `path`, readable by its owner alone, and the public one beside it; gives the latter.

    Raises PolicyError inside `home`, and where a file of that name exists.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = path.with_name(path.name + ".pub")
    if path.is_relative_to(home):
        raise PolicyError(f"{path} lies in {home}: who can rewrite the warehouse must not hold the key")
    if path.exists() or public.exists():
        raise PolicyError(f"{path} or {public} exists already: name a new file; keys are never overwritten")
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    told = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    place = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(place, "wb") as file:
            file.write(private)
        force_to_disk(path)
        write_whole(public, told)
    except OSError:  # half a pair would sign nothing, and stand in the way of the next
        path.unlink()
        raise
    return public


def signed(fields: Mapping[str, object], key: Path | None, new_key: Path | None = None) -> dict[str, object]:
    """The fields of a line with their signature, and a second one; as they are where the desk has no key.

    Raises PolicyError where a key cannot be read.
    """
    message = _message(fields)
    found = dict(fields)
    for name, path in zip((SIGNATURE, COUNTERSIGNATURE), (key, new_key), strict=True):
        if path is not None:
            found[name] = base64.b64encode(private_key(path).sign(message)).decode()
    return found


def private_key(path: Path) -> "Ed25519PrivateKey":
    """The private key of a file; raises PolicyError where it is none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        found = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise PolicyError(
            f"{KEY}: {path} is no readable private key ({error}); nothing was written"
        ) from None
    if not isinstance(found, Ed25519PrivateKey):
        raise PolicyError(f"{KEY}: {path} is no Ed25519 key; make one with `packfolio anchor keygen`")
    return found


def signing_key() -> Path | None:
    """Where the desk keeps its private key; None where it signs nothing."""
    path = os.environ.get(KEY)
    return Path(path) if path else None


@dataclass(frozen=True)
class PublicKey:
    """The public half of a key: its 32 bytes in base64, as a line of the anchor names it."""

    text: str

    @classmethod
    def of_file(cls, path: Path) -> "PublicKey":
        """Of a PEM file; raises PolicyError for a file that holds none."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            found = load_pem_public_key(path.read_bytes())
        except (OSError, ValueError) as error:
            raise PolicyError(f"{path} is no readable public key ({error})") from None
        if not isinstance(found, Ed25519PublicKey):
            raise PolicyError(f"{path} is no Ed25519 key")
        return cls(_text(found))

    @classmethod
    def of_private(cls, path: Path) -> "PublicKey":
        """Of the file of a private key; raises PolicyError where it holds none."""
        return cls(_text(private_key(path).public_key()))

    def fits(self, fields: Mapping[str, object], signature: object, purpose: bytes = PURPOSE) -> bool:
        """Whether the holder of the key signed these fields."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            key = Ed25519PublicKey.from_public_bytes(base64.b64decode(self.text, validate=True))
            key.verify(base64.b64decode(str(signature), validate=True), _message(fields, purpose))
        except (InvalidSignature, ValueError):
            return False
        return True


def is_key(text: str) -> bool:
    """Whether a text is the 32 bytes of a key, written as a line of the anchor names one."""
    return _is_base64(text, 32)


def is_signature(text: str) -> bool:
    """Whether a text is the 64 bytes of a signature, written as a line of the anchor has it."""
    return _is_base64(text, 64)


def _is_base64(text: str, length: int) -> bool:
    try:
        found = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return len(found) == length and base64.b64encode(found).decode() == text


def _text(key: "Ed25519PublicKey") -> str:
    return base64.b64encode(key.public_bytes_raw()).decode()


def _message(fields: Mapping[str, object], purpose: bytes = PURPOSE) -> bytes:
    return purpose + json.dumps(dict(fields), sort_keys=True).encode()
