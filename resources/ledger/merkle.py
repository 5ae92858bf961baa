"""The Merkle tree of RFC 6962 over a growing list: its nodes in one sequence of bytes, its root, and its proofs.

The nodes of whole subtrees stand in the order in which they are completed, 32 bytes each: a leaf, then every subtree
that it ends. The place of a node follows from its level, 0 for a leaf, and from how many leaves there are to its end.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import BinaryIO

WIDTH = 32  # bytes of a hash
EMPTY = hashlib.sha256().digest()  # the root over no leaf


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf, RFC 6962 section 2.1."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of the node over two others, RFC 6962 section 2.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def node_count(size: int) -> int:
    """How many nodes of whole subtrees a tree of `size` leaves has."""
    return 2 * size - size.bit_count()


def size_within(nodes: int) -> int:
    """The size of the largest tree that has no more than so many nodes of whole subtrees."""
    size = (nodes + nodes.bit_length() + 1) // 2
    while node_count(size) > nodes:
        size -= 1
    return size


def split(size: int) -> int:
    """Where a tree of `size` > 1 leaves parts: the largest power of two below its size."""
    return 1 << (size - 1).bit_length() - 1


def grown(frontier: Sequence[bytes], size: int, entries: Iterable[bytes]) -> Iterable[bytes]:
    """The nodes that `entries` complete in a tree of `size` leaves, in their order.

    frontier  the roots of the whole subtrees that the tree consists of, largest first
    """
    open_nodes = list(frontier)
    for size_now, entry in enumerate(entries, size + 1):
        node = leaf_hash(entry)
        yield node
        for _ in range((size_now & -size_now).bit_length() - 1):
            node = node_hash(open_nodes.pop(), node)
            yield node
        open_nodes.append(node)


def roots_at(entries: Iterable[bytes], sizes: Collection[int]) -> dict[int, bytes]:
    """The roots over the first so many entries, for each of `sizes` > 0 that there are; holds a path, not the tree."""
    frontier: list[bytes] = []
    found = {}
    for size, entry in enumerate(entries, 1):
        node = leaf_hash(entry)
        for _ in range((size & -size).bit_length() - 1):
            node = node_hash(frontier.pop(), node)
        frontier.append(node)
        if size in sizes:
            root = frontier[-1]
            for left in reversed(frontier[:-1]):
                root = node_hash(left, root)
            found[size] = root
    return found


class Tree:
    """The nodes of a tree of at least as many leaves as it is asked about, read from a sequence of bytes."""

    def __init__(self, nodes: BinaryIO) -> None:
        self._nodes = nodes

    def node(self, level: int, end: int) -> bytes:
        """The root of the whole subtree of 2^level leaves of which the last is number `end`, counted from 1.

        It is empty where the nodes end before; it is not checked here.
        """
        self._nodes.seek((node_count(end - 1) + level) * WIDTH)
        return self._nodes.read(WIDTH)

    def frontier(self, size: int) -> list[bytes]:
        """The roots of the whole subtrees that a tree of `size` leaves consists of, largest first."""
        return [self.node(level, size >> level << level) for level in _levels(size)]

    def sound(self, size: int, last: bytes) -> bool:
        """Whether the tree's last leaf holds `last`, and each node of its frontier is the hash of the two below it."""
        for level in _levels(size):
            end = size >> level << level
            if level and self.node(level, end) != node_hash(
                self.node(level - 1, end - (1 << level - 1)), self.node(level - 1, end)
            ):
                return False
        return self.node(0, size) == leaf_hash(last)

    def root(self, size: int) -> bytes:
        """The root over the first `size` leaves, RFC 6962 section 2.1."""
        return self._over(0, size) if size else EMPTY

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The path that proves leaf `index`, counted from 0, in the tree of `size` leaves, RFC 6962 section 2.1.1."""
        path, low, high = [], 0, size
        while high - low > 1:
            middle = low + split(high - low)
            if index < middle:
                path.append(self._over(middle, high))
                high = middle
            else:
                path.append(self._over(low, middle))
                low = middle
        return path[::-1]

    def consistency(self, old: int, size: int) -> list[bytes]:
        """The path that proves the tree of `size` leaves to continue that of `old` > 0, RFC 6962 section 2.1.2."""
        path, low, high = [], 0, size
        while old != high:
            middle = low + split(high - low)
            if old <= middle:
                path.append(self._over(middle, high))
                high = middle
            else:
                path.append(self._over(low, middle))
                low = middle
        if low:
            path.append(self._over(low, high))
        return path[::-1]

    def _over(self, low: int, high: int) -> bytes:
        """The root over the leaves from `low`, a multiple of the power of two that their number needs, to `high`."""
        size = high - low
        if size & (size - 1) == 0:
            return self.node(size.bit_length() - 1, high)
        middle = low + split(size)
        return node_hash(self._over(low, middle), self._over(middle, high))


def _levels(size: int) -> list[int]:
    """The levels of the whole subtrees that a tree consists of, largest first."""
    return [level for level in reversed(range(size.bit_length())) if size >> level & 1]
