"""The anchor against the ledger, against itself, and against the desk's public key."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from optimizer import PolicyError
from optimizer.errors import how_many
from resources.audit.cell_verification import Line
from resources.audit.faults import CHANGED, MISSING, Fault
from resources.ledger.anchor_lines import ACCEPTED, BEGUN, FORGED, INTENT, REVOKED, ROTATED, Anchor
from resources.ledger.anchors import Anchors
from resources.ledger.cosignatures import Cosigned
from resources.ledger.merkle import roots_at
from resources.ledger.signatures import COUNTERSIGNATURE, KEY, SIGNATURE, PublicKey, signing_key
from resources.store.continuity import NO_ANCHOR

Found = tuple[list[Fault], list[str]]  # faults, notes


def check_anchors(lines: Iterable[Line], anchors: Anchors) -> Found:
    """The ledger against the lines written outside the warehouse."""
    by_id = {line.id: line for line in lines}
    length = max(by_id, default=0)
    faults, notes = _by_itself(anchors)
    if anchors.settled is None:
        announced = anchors.pending and length and anchors.pending.state == (length, by_id[length].this_hash)
        lost = [Fault("anchor", MISSING, NO_ANCHOR)] if length and not announced else []
        return [*faults, *lost], notes
    since = anchors.accepted.place if anchors.accepted else 0
    standing = [line for line in anchors.lines if line.place >= since and line.kind != INTENT]
    last = standing[-1]
    if (longest := max(line.count for line in standing)) > length:
        message = f"the ledger ends at row {length}, the anchor remembers {longest}: cut off, or an older copy put back"
        faults.append(Fault("materializations", MISSING, message, ledger_row=longest))
    rewritten = [
        line for line in standing if line.count in by_id and by_id[line.count].this_hash != line.head
    ]
    if rewritten:
        message = f"ledger row {rewritten[0].count} is not the one anchored at {rewritten[0].at}: history was rewritten"
        faults.append(Fault("materializations", CHANGED, message, ledger_row=rewritten[0].count))
    faults += _unlike_trees(by_id, standing)
    if anchors.accepted and anchors.accepted.numbered:
        faults += _borne_out(anchors.accepted, by_id.get(anchors.accepted.count))
    if length > last.count:
        notes.append(
            f"not anchored: the last {how_many(length - last.count, 'ledger row')}; a run was killed there, or "
            f"somebody added them"
        )
    return faults, notes


def _unlike_trees(by_id: Mapping[int, Line], standing: Sequence[Anchor]) -> list[Fault]:
    """Lines whose root is not that of the tree over the rows that they count; a broken chain is told elsewhere.

    The nodes beside the warehouse are a cache, which verification does not believe: each is computed again.
    """
    roots = _roots(by_id, {line.count for line in standing if line.root})
    return [
        Fault(
            "anchor",
            CHANGED,
            f"the root anchored at {line.at} is not that of the first {line.count} ledger rows",
        )
        for line in standing
        if line.root and line.count in roots and roots[line.count] != line.root
    ]


def _roots(by_id: Mapping[int, Line], counts: set[int]) -> dict[int, str]:
    """Count -> root of the tree over so many rows; none where the chain is broken, and for more than there are."""
    hashes = [by_id[number].this_hash for number in sorted(by_id)]
    if len(by_id) != max(by_id, default=0) or not all(re.fullmatch("[0-9a-f]{64}", one) for one in hashes):
        return {}
    return {count: root.hex() for count, root in roots_at(map(bytes.fromhex, hashes), counts).items()}


def check_witnessed(lines: Sequence[Line], anchors: Anchors, cosigned: Sequence[Cosigned]) -> Found:
    """The ledger against what witnesses saw of it; what they saw before a break was accepted is a note."""
    by_id = {line.id: line for line in lines}
    roots, length = _roots(by_id, {one.count for one in cosigned}), max(by_id, default=0)
    faults, notes = [], []
    for one in cosigned:
        if roots.get(one.count, one.root) == one.root and one.count <= length:
            continue
        said = (
            f"line {one.place} of the witnesses: the holder of {one.key} saw another ledger of {one.count} rows at "
            f"{one.at}: it was cut off or rewritten, or another was shown"
        )
        if anchors.accepted and one.at < anchors.accepted.at:
            notes.append(f"{said}; a break was accepted since")
        else:
            faults.append(Fault("witnesses", CHANGED, said, ledger_row=one.count))
    return faults, notes


def _by_itself(anchors: Anchors) -> Found:
    """What is odd about the lines themselves; once it was accepted it is a note, and stays one."""
    notes = [f"anchor line {number} is half a line, which a killed run leaves" for number in anchors.torn]
    faults = [Fault("anchor", CHANGED, f"line {number} {why}") for number, why in anchors.disputed]
    settled = [odd for odd in anchors.odd if odd not in anchors.disputed]
    notes += [f"line {number} of the anchor {why}; accepted since" for number, why in settled]
    since = anchors.accepted.place if anchors.accepted else 0
    for line in anchors.lines:
        if line.kind == FORGED:
            said = (
                f"readers had a copy that nobody published, until {line.at}; it is kept in the home as "
                f"evidence/{line.said('kept')}"
            )
            if line.place > since:
                faults.append(Fault("published copy", CHANGED, said))
            else:
                notes.append(f"{said}; accepted since")
        elif line.kind == BEGUN:
            notes.append(
                f"the anchor begins at ledger row {line.count}, at {line.at}: it remembers nothing before"
            )
        elif line.kind in (ROTATED, REVOKED):
            notes.append(f"line {line.place} of {line.at}: {_of_keys(line)}")
    return faults, notes


def _of_keys(line: Anchor) -> str:
    if line.kind == ROTATED:
        return f"the key {line.said('new_key')} signs in place of {line.said('old_key')}"
    return f"the key {line.said('revoked_key')} is revoked: {line.said('reason')}"


def _borne_out(accepted: Anchor, row: Line | None) -> list[Fault]:
    """An accepted break is a row of the ledger too: a line alone is another hand's."""
    if row is not None and row.asset == "accepted_break" and row.inputs.get("reason") == accepted.accepted:
        return []
    message = f"line {accepted.place} accepts a break ({accepted.said('accepted')}) that the ledger knows nothing of"
    return [Fault("anchor", CHANGED, message, ledger_row=accepted.count)]


def accepted_breaks(anchors: Anchors) -> list[str]:
    """Every break that was ever accepted, in words."""
    return [
        f"a break was accepted at {line.at}, ledger row {line.count}: {line.said('accepted')}"
        for line in anchors.lines
        if line.kind == ACCEPTED
    ]


def own_key(anchors: Anchors) -> PublicKey | None:
    """The desk's key where this process may sign with it, and lines are signed: a forged line needs no --key then."""
    signer = signing_key() if any(SIGNATURE in line.told for line in anchors.lines) else None
    with suppress(PolicyError):  # who verifies need not be able to read it
        return PublicKey.of_private(signer) if signer else None
    return None


def check_signatures(anchors: Anchors, key: PublicKey | None) -> Found:
    """The lines of the anchor against the desk's public key, and the keys that it followed or that followed it."""
    signed = [line for line in anchors.lines if SIGNATURE in line.told]
    if key is None:
        return [], [
            f"signed: {how_many(len(signed), 'anchor line')}; give --key to check by whom"
        ] if signed else []
    if not anchors.lines:
        return [Fault("anchor", MISSING, "there is no line to check against the key")], []
    first = signed[0].place if signed else 0
    wrong = unsigned([line for line in anchors.lines if line.place >= first], key)
    said = [(line, f"line {line.place} of {line.at}, ledger row {line.count}, {why}") for line, why in wrong]
    # what the key's holder accepted since, such as a run without the key, stays a note
    accepted = {line.place for line in signed if line.kind == ACCEPTED} - {line.place for line, _ in wrong}
    until = max(accepted, default=0)
    faults = [
        Fault("anchor", CHANGED, told, ledger_row=line.count) for line, told in said if line.place > until
    ]
    settled = [f"accepted since: {told}" for line, told in said if line.place <= until]
    before = sum(line.place < first for line in anchors.lines)
    early = f"from before the desk had a key: the first {how_many(before, 'anchor line')}"
    return faults, [*settled, *([early] if before else [])]


def unsigned(lines: Sequence[Anchor], key: PublicKey) -> list[tuple[Anchor, str]]:
    """The lines that the desk did not sign with the key that was its own then, each with what is wrong."""
    turns = [line for line in lines if line.kind == ROTATED and _both_signed(line)]
    current, revoked = _first_key(turns, key), set[str]()
    wrong = []
    for line in lines:
        if problem := _unsigned(line, current, revoked):
            wrong.append((line, problem))
        elif line in turns and line.told["old_key"] == current.text:
            current = PublicKey(line.told["new_key"])
        elif line.kind == REVOKED:
            revoked.add(line.told["revoked_key"])
    return wrong


def refuse_gone(lines: Sequence[Anchor], signer: Path | None) -> None:
    """Raises PolicyError for a key of which nothing is believed: it was revoked, or handed over and not given back."""
    if signer is None:
        return
    key = PublicKey.of_private(signer)
    wrong = {line.place for line, _ in unsigned(lines, key)}  # what others wrote of it is no turn
    own = [
        line
        for line in lines
        if line.place not in wrong and key.text in map(line.told.get, ("old_key", "new_key", "revoked_key"))
    ]
    last = next((line for line in own if line.kind == REVOKED), own[-1] if own else None)
    if last and last.told.get("new_key") != key.text:
        raise PolicyError(
            f"{KEY}: {signer} signs no more since line {last.place} of the anchor, nor does it accept anything; "
            f"nothing was written: set it to the key that signs now, or to a new one of `packfolio anchor keygen`"
        )


def _unsigned(line: Anchor, key: PublicKey, revoked: set[str]) -> str | None:
    signature = line.told.get(SIGNATURE)
    if signature is None:
        return "has no signature"
    if key.text in revoked:
        return "is signed by a key that was revoked"
    if not key.fits(line.fields, signature):
        return "is signed by another key, or was changed"
    return "is not signed by the new key" if line.kind == ROTATED and not _both_signed(line) else None


def _both_signed(line: Anchor) -> bool:
    return PublicKey(line.told["old_key"]).fits(line.fields, line.told.get(SIGNATURE)) and PublicKey(
        line.told["new_key"]
    ).fits(line.fields, line.told.get(COUNTERSIGNATURE))


def _first_key(turns: Sequence[Anchor], key: PublicKey) -> PublicKey:
    """The key that the oldest lines were signed with: walked back from the given one, turn by turn."""
    for line in reversed(turns):
        if line.told["new_key"] == key.text:
            key = PublicKey(line.told["old_key"])
    return key
