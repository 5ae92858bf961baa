"""The Merkle tree against the vectors of Certificate Transparency and a naive second implementation."""

import hashlib
import io
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.ledger.ledger_tree import LedgerTree, tree_of
from resources.ledger.merkle import (
    EMPTY,
    WIDTH,
    Tree,
    grown,
    leaf_hash,
    node_count,
    node_hash,
    roots_at,
    size_within,
    split,
)
from resources.proofs.check_proof import consistent_roots, root_by_path

# The eight leaves, their roots and proofs of the reference implementation of RFC 6962 (transparency-dev/merkle).
ENTRIES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSIONS = {  # (leaf from 1, size) -> path
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (3, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (2, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCIES = {  # (old size, size) -> path
    (1, 1): [],
    (1, 8): INCLUSIONS[1, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
LARGEST = 65
NUMBERED = [b"row %d" % number for number in range(LARGEST)]


def hexed(path: list[bytes]) -> list[str]:
    return [node.hex() for node in path]


def naive_root(entries: list[bytes]) -> bytes:
    """Word for word as RFC 6962 section 2.1 has it."""
    if not entries:
        return EMPTY
    if len(entries) == 1:
        return leaf_hash(entries[0])
    k = 1
    while 2 * k < len(entries):
        k *= 2
    return node_hash(naive_root(entries[:k]), naive_root(entries[k:]))


def naive_path(m: int, entries: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]) of section 2.1.1."""
    if len(entries) == 1:
        return []
    k = 1
    while 2 * k < len(entries):
        k *= 2
    if m < k:
        return [*naive_path(m, entries[:k]), naive_root(entries[k:])]
    return [*naive_path(m - k, entries[k:]), naive_root(entries[:k])]


def naive_subproof(m: int, entries: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of section 2.1.2."""
    if m == len(entries):
        return [] if whole else [naive_root(entries)]
    k = 1
    while 2 * k < len(entries):
        k *= 2
    if m <= k:
        return [*naive_subproof(m, entries[:k], whole), naive_root(entries[k:])]
    return [*naive_subproof(m - k, entries[k:], False), naive_root(entries[:k])]


def test_the_published_vectors_come_out() -> None:
    tree = tree_of(ENTRIES)
    assert [tree.root(size).hex() for size in range(1, 9)] == ROOTS
    assert tree.root(0) == EMPTY
    assert {key: hexed(tree.inclusion(key[0] - 1, key[1])) for key in INCLUSIONS} == INCLUSIONS
    assert {key: hexed(tree.consistency(*key)) for key in CONSISTENCIES} == CONSISTENCIES


def test_every_pair_of_sizes_is_proven_as_the_rfc_has_it_and_checked() -> None:
    tree, roots = tree_of(NUMBERED), [naive_root(NUMBERED[:size]) for size in range(LARGEST + 1)]
    for size in range(1, LARGEST + 1):
        assert tree.root(size) == roots[size]
        for index in range(size):
            path = tree.inclusion(index, size)
            assert path == naive_path(index, NUMBERED[:size])
            assert root_by_path(NUMBERED[index], index, size, path) == roots[size]
        for old in range(1, size + 1):
            path = tree.consistency(old, size)
            assert path == naive_subproof(old, NUMBERED[:size], True)
            assert consistent_roots(old, size, roots[old], path) == (roots[old], roots[size])


@pytest.mark.parametrize("size", [1, 2, 7, 8, 33])
def test_a_wrong_path_proves_nothing(size: int) -> None:
    tree, root = tree_of(NUMBERED), naive_root(NUMBERED[:size])
    for index in range(size):
        entry, path = NUMBERED[index], tree.inclusion(index, size)
        leaf = leaf_hash(entry)
        wrong = [path[:-1], [*path, root], [*path[::-1]] if path != path[::-1] else [root]]
        wrong += [[*path[:at], leaf, *path[at + 1 :]] for at in range(len(path)) if path[at] != leaf]
        for other in wrong:
            if other != path:
                assert root_by_path(entry, index, size, other) != root
        assert root_by_path(entry, index + size, size, path) is None
        if index:
            assert root_by_path(entry, index - 1, size, path) != root


@given(old=st.integers(1, LARGEST), size=st.integers(1, LARGEST), data=st.data())
def test_two_histories_are_never_consistent(old: int, size: int, data: st.DataObject) -> None:
    old, size = sorted((old, size))
    other = [*NUMBERED]
    other[data.draw(st.integers(0, old - 1))] = b"rewritten"
    path = tree_of(other).consistency(old, size)
    told = consistent_roots(old, size, naive_root(NUMBERED[:old]), path)
    assert told != (naive_root(NUMBERED[:old]), naive_root(other[:size]))


@given(st.lists(st.integers(0, 40), max_size=6))
def test_a_tree_that_grows_in_steps_is_the_tree(steps: list[int]) -> None:
    nodes, size = b"", 0
    for step in steps:
        entries = [b"row %d" % number for number in range(size, size + step)]
        nodes += b"".join(grown(Tree(io.BytesIO(nodes)).frontier(size), size, entries))
        size += step
    assert len(nodes) == node_count(size) * WIDTH
    assert Tree(io.BytesIO(nodes)).root(size) == naive_root([b"row %d" % number for number in range(size)])


def test_sizes_and_nodes_belong_together() -> None:
    for size in range(300):
        nodes = range(node_count(size), node_count(size + 1))
        assert {size_within(count) for count in nodes} == {size}
    assert [split(size) for size in (2, 3, 4, 5, 8, 9)] == [1, 2, 2, 4, 4, 8]


def test_roots_are_found_without_the_tree() -> None:
    wanted = {1, 2, 7, 8, 13, LARGEST, LARGEST + 5}
    assert roots_at(NUMBERED, wanted) == {
        size: naive_root(NUMBERED[:size]) for size in wanted if size <= LARGEST
    }


def test_a_row_more_is_not_asked_of_the_database(tmp_path: Path) -> None:
    """Heads that do not fit the file, and a file that was damaged, send it back to the rows."""
    entries = [hashlib.sha256(entry).digest() for entry in NUMBERED]
    digests = [entry.hex() for entry in entries]
    with duckdb.connect() as con:
        con.execute("create table materializations (id bigint, this_hash varchar)")
        tree = LedgerTree(tmp_path / "ledger.tree")
        for number, digest in enumerate(digests[:9], 1):
            con.execute("insert into materializations values (?, ?)", [number, digest])
            before = (number - 1, digests[number - 2] if number > 1 else "0" * 64)
            if number == 5:
                tree.path.write_bytes(tree.path.read_bytes()[:-WIDTH] + bytes(WIDTH))
            assert tree.grow(con, before, (number, digest)) == naive_root(entries[:number]).hex()
        con.execute("drop table materializations")
        grown = tree.grow(con, (9, digests[8]), (10, digests[9]))
        assert grown == naive_root(entries[:10]).hex()
        with pytest.raises(duckdb.CatalogException):
            tree.grow(con, (10, digests[8]), (11, digests[10]))
