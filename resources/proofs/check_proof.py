"""Checks a proof of Packfolio: plain Python and `cryptography`, no other file of this repository; copy it anywhere.

    python check_proof.py proof.json --key desk.pub [--checkpoint earlier.json] [--witness witness.pub] [--json]

Exit status: 0 it holds; 3 it does not, and why; 2 a file or key cannot be read. docs/methods/proofs.md has the format.
"""

import argparse
import base64
import hashlib
import json
import re
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey as Key
from cryptography.hazmat.primitives.serialization import load_pem_public_key

FORMAT, LATER = "packfolio-proof-3", {"packfolio-proof-2": ["keys"], "packfolio-proof-1": ["keys", "units"]}
PARTS = "format result checkpoint keys head ledger units cells leaves logs links witnesses"
LISTS = "keys ledger units cells leaves logs links witnesses rows others path"  # wherever they stand
ANCHOR, WITNESS = b"packfolio anchor\n", b"packfolio witness\n"  # what a signature was given for
# A ledger row is hashed as a JSON list, a row of prices joined by "|"; its `day` counts from 1970-01-01.
LEDGER = "id asset pack_id portfolio_id run_id at code_version config_hash input_hashes"
LEDGER += " content_hash rows cells previous_hash"
PRICES = "symbol day open high low close volume dividend split source basis currency simulated known_at"
DATE, NOT_OPENED = "log date ledger_row rows others", "previous_"  # another day has its own proof
ODD = (AttributeError, IndexError, KeyError, OverflowError, RecursionError, TypeError, ValueError)
HASH, SHORT = "[0-9a-f]{64}", "[0-9A-F]{32}"  # SHA-256, and its first half for rows of the logs
LEAF, NAME = f"[a-z_]+[|][0-9-]+[|]{HASH}", "[a-z0-9_]+"  # texts that are hashed joined, cut in one way


class Refused(Exception):  # noqa: N818  it is the answer, not a mishap
    """Why a proof does not hold, in one sentence."""

    def __str__(self) -> str:
        return _plain(super().__str__())[:300]


def root_by_path(entry: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a path leads to from leaf `index`, counted from 0, of `size`; None for a path of another length."""
    leaf = hashlib.sha256(b"\x00" + entry).digest()
    return _climb(index, size - 1, leaf, path)[1] if 0 <= index < size else None


def consistent_roots(old: int, size: int, root: bytes, path: Sequence[bytes]) -> Sequence[bytes | None]:
    """The roots of the older tree, known as `root`, and of the newer one that a path leads to; None as above."""
    if old == size and not path:
        return root, root
    if not 0 < old < size or not path:
        return None, None
    zeros = ((old - 1) ^ old).bit_length() - 1  # levels at which the older tree is whole
    first, *rest = [root, *path] if old >> zeros == 1 else path
    return _climb((old - 1) >> zeros, (size - 1) >> zeros, first, rest)


def _climb(at: int, last: int, start: bytes, path: Sequence[bytes]) -> Sequence[bytes | None]:
    """The roots over what is left of a node, and over all, from node `at` of a level that ends with node `last`."""
    before = after = start
    for node in path:
        if last == 0:
            return None, None
        if at & 1 or at == last:
            before, after = _node(node, before), _node(node, after)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            after = _node(after, node)
        at, last = at >> 1, last >> 1
    return (before, after) if last == 0 else (None, None)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()  # RFC 6962, 2.1; paths are checked as in RFC 9162


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(text: str) -> str:
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _once(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    if len(found := dict(given := [*pairs])) < len(given):
        raise ValueError("a name stands twice")
    return found


def _object(value: Any, where: str, names: Sequence[str]) -> list[Any]:
    if odd := sorted(value.keys() ^ {*names}):
        raise Refused(f"{where} {'lacks' if odd[0] in names else 'has an unknown'} {odd[0]!r}")
    if odd := [name for name in names if name in LISTS.split() and type(value[name]) is not list]:
        raise Refused(f"{odd[0]} of {where} must be a list")
    return [value[name] for name in names]


def _number(value: Any, where: str) -> int:
    if type(value) is not int or not 0 < value < 1 << 62:
        raise Refused(f"{where} must be a whole number above 0")
    return value


def _texts(value: Any, where: str, form: str = HASH) -> list[str]:
    if type(value) is not list or not all(re.fullmatch(form, one) for one in value):
        raise Refused(f"{where} must hold texts of the form {form}")
    return value


def _path(value: Any, where: str) -> list[bytes]:
    return [bytes.fromhex(digest) for digest in _texts(value, where)]


def _row(value: Any, where: str) -> dict[str, str]:
    if not all(re.fullmatch(NAME, name) and isinstance(cell, str) for name, cell in value.items()):
        raise Refused(f"a row of {where} must hold texts under plain names")
    return dict(value)


def parsed(text: str | bytes, where: str) -> Any:
    """The JSON of a text; Refused for whatever is none, or can be read in two ways."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=int)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{where} is no JSON that can be checked: {error}") from None


def checkpoint_of(value: Any, where: str) -> dict[str, Any]:
    """A line of the anchor with the root of its tree, and whatever else its signature covers."""
    if type(value) is not dict or not {"root", "at"} <= value.keys():
        raise Refused(f"{where} has no root or time: it is none, or a release wrote it that kept no tree")
    _number(value.get("count"), f"the number of rows of {where}")
    _texts([str(value.get("head")), str(value["root"])], where)
    return dict(value)


def read_key(path: Path) -> Key:
    """The public key of a PEM file; raises ValueError or OSError where it is none."""
    if not isinstance(key := load_pem_public_key(path.read_bytes()), Key):
        raise ValueError(f"{path} is no Ed25519 key")
    return key


def signed_by(key: Key, purpose: bytes, fields: Mapping[str, Any], name: str = "signature") -> bool:
    """Whether `fields[name]` is the key's, over all fields but signatures."""
    told = {n: value for n, value in fields.items() if n not in ("signature", "countersignature")}
    try:
        signature = base64.b64decode(text := str(fields.get(name, "")), validate=True)
        key.verify(signature, purpose + json.dumps(told, sort_keys=True).encode())
    except (InvalidSignature, ValueError):
        return False
    return base64.b64encode(signature).decode() == text


class Proof:
    """A proof of which each part is checked, in the order in which they rest on each other."""

    def __init__(self, document: Any) -> None:
        if not isinstance(document, dict) or document.get("format") not in (FORMAT, *LATER):
            raise Refused(f"this is no proof of the format {FORMAT}")
        names = [name for name in PARTS.split() if name not in LATER.get(document["format"], [])]
        _object(document, "the proof", names)
        parts = {"units": [], "keys": [], **document}
        self.notes: list[str] = []
        self.checkpoint, self.keys = checkpoint_of(parts["checkpoint"], "the checkpoint"), parts["keys"]
        self.size, self.root = self.checkpoint["count"], bytes.fromhex(self.checkpoint["root"])
        head, path = bytes.fromhex(self.checkpoint["head"]), _path(parts["head"], "the path of the head")
        if root_by_path(head, self.size - 1, self.size, path) != self.root:
            raise Refused("the head of the checkpoint is not the last row of its tree")
        self.ledger: dict[int, dict[str, Any]] = _once(map(self._ledger_row, parts["ledger"]))
        self.ledger |= _once(map(self._unit, parts["units"]))
        self.inputs = {at: _row(parsed(row["input_hashes"], "in"), "in") for at, row in self.ledger.items()}
        self.hidden: dict[tuple[int, str], int] = {}
        self.cells = _once(map(self._open_cells, parts["cells"]))
        self.result = self._result(parts["result"])
        reached = self._reached(self.result["ledger_row"])
        written = {(number, table) for number in reached for table in self._written(number)}
        if closed := sorted(written - self.cells.keys()):
            raise Refused(f"the proof lacks the rows of {closed[0][1]} of ledger row {closed[0][0]}")
        brought = self._logs(parts["logs"], self._leaves(parts["leaves"], reached))
        if stray := sorted(self.ledger.keys() - reached - brought):
            raise Refused(f"nothing leads to ledger row {stray[0]}, which is in the proof")
        self.witnesses = [self._witness(item) for item in parts["witnesses"]]
        self.links = {self.size: self.checkpoint["root"], **_once(map(self._link, parts["links"]))}

    def _ledger_row(self, item: Any) -> tuple[int, dict[str, Any]]:
        text, path = _object(item, "a ledger row", ("text", "path"))
        fields = dict(zip(LEDGER.split(), parsed(text, "a ledger row"), strict=True))
        number = _number(fields["id"], "the number of a ledger row")
        leaf, steps = bytes.fromhex(_sha256(text)), _path(path, "a path")
        if root_by_path(leaf, number - 1, self.size, steps) != self.root:
            raise Refused(f"ledger row {number} is not in the tree: it, its path or the root differs")
        return number, fields

    def _unit(self, item: Any) -> tuple[int, dict[str, Any]]:
        number, told, index, path = _object(item, "a unit", ("ledger_row", "row", "index", "path"))
        where = f"the unit of ledger row {_number(number, 'a ledger row')}"
        unit, row, steps = _row(told, where), self.ledger[number], _path(path, where)
        root, shorts = parsed(row["cells"], "cells")["materialization_units"]
        found = root_by_path(bytes.fromhex(_row_hash(unit)), index, len(shorts) // 8, steps)
        named = {"materialization": str(number), "asset": row["asset"], "pack_id": row["pack_id"]}
        if type(index) is not int or found != bytes.fromhex(root) or not named.items() <= unit.items():
            raise Refused(f"{where} is not in its tree: it, its path or the root differs")
        inputs = json.dumps(parsed(row["input_hashes"], "inputs") | parsed(unit["input_hashes"], "inputs"))
        own = {name: unit[name] for name in ("portfolio_id", "content_hash", "cells")}
        return number, {**row, **own, "input_hashes": inputs}

    def _written(self, number: int) -> dict[str, Any]:
        return dict(parsed(self.ledger[number]["cells"], "cells")) if number in self.ledger else {}

    def _open_cells(self, item: Any) -> tuple[tuple[int, str], list[dict[str, str]]]:
        number, table, shown, others = _object(item, "cells", ("ledger_row", "table", "rows", "others"))
        where = f"{table} of ledger row {_number(number, 'a ledger row')}"
        rows, hidden = [_row(row, where) for row in shown], _texts(others, where)
        known = sorted([*map(_row_hash, rows), *hidden])
        if self._written(number).get(table, [""])[0] != _sha256("".join(known)):
            raise Refused(f"the rows of {where} are not those that it wrote")
        self.hidden[number, table] = len(hidden)
        return (number, table), rows

    def _result(self, item: Any) -> dict[str, Any]:
        table, number, key = _object(item, "the result", ("table", "ledger_row", "key"))
        if not (rows := self.cells.get((_number(number, "a ledger row"), table), [])):
            raise Refused(f"the proof lacks the rows of {table} that it is about")
        names = {"pack_id", "portfolio_id", "symbol"} & rows[0].keys()
        whole = names - {"symbol"} if not self.hidden[number, table] else names
        if key.keys() not in (names, whole) or any(row.get(n) != key[n] for row in rows for n in key):
            raise Refused(f"the rows of {table} are not those of the key that the proof names")
        return {"table": table, "ledger_row": number, "key": _row(key, "the key"), "rows": rows}

    def _reached(self, result: int) -> set[int]:
        """The ledger rows that a result came from, its own included; an input that none of them brings is refused."""
        reached = [result]
        for number in reached:
            for name, digest in self.inputs[number].items():
                if name.startswith(NOT_OPENED):
                    self.notes.append(f"ledger row {number} rests on {name} {digest[:12]}…, not opened here")
                elif name != "logs" and (source := self._source(number, name, digest)) not in reached:
                    reached.append(source)
        return {*reached}

    def _source(self, number: int, name: str, digest: str) -> int:
        pack, portfolio = self.ledger[number]["pack_id"], self.ledger[number]["portfolio_id"]
        asset = "pricing_packs" if name == "pricing_pack" else name
        for earlier, row in self.ledger.items():
            brought = self.inputs[earlier].get("logs") if name == "pricing_pack" else row["content_hash"]
            before = earlier < number and row["pack_id"] == pack and row["portfolio_id"] in (None, portfolio)
            if before and (row["asset"], brought) == (asset, digest):
                return earlier
        raise Refused(f"the proof lacks the {name} that ledger row {number} was computed from")

    def _leaves(self, value: Any, reached: set[int]) -> dict[str, str]:
        packs = {self.inputs[number]["logs"] for number in reached if "logs" in self.inputs[number]}
        if packs != ({_sha256("\n".join(_texts(value, "the leaves", LEAF)))} if value else set()):
            raise Refused("the dates that the pack saw are not those of its content hash")
        return {place: digest for place, _, digest in (line.rpartition("|") for line in value)}

    def _logs(self, value: Any, leaves: Mapping[str, str]) -> set[int]:
        """The ledger rows that brought the shown rows of the logs, which the pack must have seen."""
        self.logs: dict[tuple[int, str], list[dict[str, str]]] = {}
        first: dict[tuple[str, str, str], int] = {}  # a row -> the earliest ledger row known to hold it
        shown, seen = set(), set()
        for item in value:
            log, day, number, rows, others = _object(item, "a date of a log", DATE.split())
            where = f"{log} of {day} in ledger row {_number(number, 'a ledger row')}"
            opened = [_log_hash(log, day, _row(row, where), where) for row in rows]
            known = sorted([*opened, *_texts(others, where, SHORT)])
            digest = _sha256("".join(known))
            leaf = {"log": log, "date": day, "hash": digest, "rows": str(len(known))}.items()
            if not any(leaf <= row.items() for row in self.cells.get((number, "log_leaves"), ())):
                raise Refused(f"the rows of {where} are not those that were on record then")
            if not any(row.get("log") == log for row in self.cells.get((number, "ingests"), ())):
                raise Refused(f"the proof lacks the payload of {where}")
            first |= {(log, day, one): min(number, first.get((log, day, one), number)) for one in known}
            if leaves.get(f"{log}|{day}") == digest:
                seen.update(known)
            self.logs[number, f"{log} of {day}"] = rows
            shown |= {(log, day, one, number) for one in opened}
        for log, day, one, number in sorted(shown):
            if one not in seen or first[log, day, one] != number:
                raise Refused(f"a row of {log} of {day} is none the pack saw, or came with another payload")
        leaved = sum(len(rows) for (_, table), rows in self.cells.items() if table == "log_leaves")
        if {leaved, len(value)} != {len(self.logs)}:
            raise Refused("the proof lacks the rows of a date of which it has the leaf, or has them twice")
        return {number for number, _ in self.logs}

    def _link(self, item: Any) -> tuple[int, str]:
        count, root, path = _object(item, "a link", ("count", "root", "path"))
        old, size = bytes.fromhex(_texts([root], "the root of a link")[0]), _number(count, "a link")
        if consistent_roots(size, self.size, old, _path(path, "a link")) != (old, self.root):
            raise Refused(f"the link to {size} rows does not hold: it, its path or the root differs")
        return size, root

    def _witness(self, item: Any) -> bytes:
        _, *told, text, _ = _object(item, "a witness", ["at", "count", "head", "root", "key", "signature"])
        key = Key.from_public_bytes(base64.b64decode(text, validate=True))
        if told != [self.size, self.checkpoint["head"], self.root.hex()] or not signed_by(key, WITNESS, item):
            raise Refused("a witness signed something else than the checkpoint, or its line was changed")
        return key.public_bytes_raw()

    def signed(self, key: Key) -> bool:
        """Whether the key, or the one to which it was handed over before the checkpoint, signed it."""
        for line in self.keys:
            own, place = signed_by(key, ANCHOR, line), f"line {_number(line['number'], 'a line')}"
            if own and "revoked_key" in line:
                self.notes.append(f"{place} revokes the key {line['revoked_key']}: {line['reason']}")
            elif own and line["number"] < self.checkpoint["number"]:
                key = Key.from_public_bytes(base64.b64decode(line["new_key"], validate=True))
                if not signed_by(key, ANCHOR, line, "countersignature"):
                    raise Refused(f"{place} hands the key over to one that has not signed it")
                self.notes.append(f"the key {line['new_key']} signs since {place}: get it from the desk")
        return signed_by(key, ANCHOR, self.checkpoint)

    def continues(self, document: Any) -> None:
        """Refuses a checkpoint, or that of an earlier proof, which this proof's ledger does not continue."""
        told = document.get("checkpoint", document) if type(document) is dict else document
        kept = checkpoint_of(told, "the checkpoint that was kept")
        if (count := kept["count"]) > self.size:
            raise Refused(f"the proof is older than the checkpoint: {self.size} rows, not {count} or more")
        if count not in self.links:
            raise Refused(f"the proof has no link to {count} rows: `packfolio prove --since {count}` adds it")
        if self.links[count] != kept["root"]:
            raise Refused(f"the checkpoint of {count} rows is of another history than this ledger")


def _row_hash(row: Mapping[str, str]) -> str:
    return _sha256("\x1f".join(f"{name}={row[name]}".replace("\x1f", "\x1f\x1f") for name in sorted(row)))


def _log_hash(log: str, day: str, row: Mapping[str, str], where: str) -> str:
    if log != "prices":
        told, digest = row["date"], _row_hash(row)
    else:
        cells = _texts(_object(row, f"a row of {where}", PRICES.split()), f"a row of {where}", "[^|]*")
        told, digest = str(date(1970, 1, 1) + timedelta(int(row["day"]))), _sha256("|".join(cells))
    if told != day:
        raise Refused(f"a row of {where} is of another date")
    return digest[:32].upper()


def check(document: Any, key: Any = None, kept: Sequence[Any] = (), witnesses: Sequence[Any] = ()) -> Proof:
    """What a proof shows; raises Refused with the reason when it does not hold."""
    try:
        proof = Proof(document)
        if key and not proof.signed(key):
            raise Refused("the checkpoint bears no signature of this key, or was changed since")
        if not {witness.public_bytes_raw() for witness in witnesses} <= {*proof.witnesses}:
            raise Refused("a witness that was asked for has not co-signed the checkpoint")
        for one in kept:
            proof.continues(one)
    except ODD as error:
        raise Refused(f"the proof is not formed as one: {type(error).__name__} {error}") from None
    proof.notes += [] if key else ["no signature was checked: without --key, anyone may have made this proof"]
    return proof


def _told(proof: Proof) -> Iterator[str]:
    result, kept = proof.result, proof.checkpoint
    named = f"{result['table']} of {' '.join(result['key'].values())}"
    yield f"proven: {named}, ledger row {result['ledger_row']} of {kept['count']} at {kept['at']}"
    for (number, table), rows in (*proof.cells.items(), *proof.logs.items()):
        yield f"{table}, ledger row {number}, {proof.hidden.get((number, table), 0)} other rows not shown"
        yield from ("".join(f"  {n}={c}" for n, c in row.items() if len(c) < 70) for row in rows)
    yield from (f"note: {note}" for note in proof.notes)


def main(words: Sequence[str] | None = None) -> int:
    """The command line; gives the exit status."""
    parser = argparse.ArgumentParser(prog="check", description="Checks a proof of Packfolio.")
    parser.add_argument("proof", type=Path)
    parser.add_argument("--key", type=Path, help="the desk's public key")
    parser.add_argument("--checkpoint", type=Path, action="append", default=[], help="one that was kept")
    parser.add_argument("--witness", type=Path, action="append", default=[], help="a witness's public key")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    told = parser.parse_args(words)
    try:
        key, witnesses = told.key and read_key(told.key), [read_key(path) for path in told.witness]
        proof, *kept = [(path.read_bytes(), str(path)) for path in (told.proof, *told.checkpoint)]
    except (OSError, TypeError, ValueError) as error:
        parser.exit(2, f"a file or a key cannot be read: {str(error).split('] ', 1)[-1]}\n")  # no [Errno 2]
    try:
        found = check(parsed(*proof), key, [parsed(*one) for one in kept], witnesses)
    except Refused as why:
        print(json.dumps({"proven": False, "reason": str(why)}) if told.json else f"not proven: {why}")
        return 3
    answer = {"proven": True, **found.result, "checkpoint": found.checkpoint, "notes": found.notes}
    print(json.dumps(answer, indent=2) if told.json else "\n".join(map(_plain, _told(found))))
    return 0


if __name__ == "__main__":
    signal.signal(getattr(signal, "SIGPIPE", signal.SIGTERM), signal.SIG_DFL)  # as `| head` asks
    sys.exit(main())
