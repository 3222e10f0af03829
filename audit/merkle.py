"""The Merkle tree of RFC 9162, section 2.1: hashes, proofs, and checking proofs.

Functions take leaf *hashes* (32 bytes each), not entries. ``Frontier`` holds just enough of a tree to
append to it: the roots of its largest complete subtrees.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

HASH_BYTES = 32


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes; of no leaves at all, the hash of nothing."""
    return Frontier.of(hashes).root()


def inclusion_proof(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """The sibling hashes from leaf ``index`` up to the root (RFC 9162, 2.1.3.1)."""
    if not 0 <= index < len(hashes):
        raise IndexError("no such leaf")
    return _path(hashes, index, 0, len(hashes))


def consistency_proof(hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """The hashes that show the first ``old_size`` leaves are still a prefix (RFC 9162, 2.1.4.1)."""
    if not 0 < old_size <= len(hashes):
        raise IndexError("the older tree must be a non-empty part of this one")
    return _subproof(lambda start, stop: root(hashes[start:stop]), old_size, 0, len(hashes), True)


def consistency_from(old: Frontier, added: Sequence[bytes]) -> list[bytes]:
    """The same proof, from what is kept of the older tree and the leaves that came after it."""
    if not old.size:
        raise IndexError("the older tree must be a non-empty part of this one")
    kept = old.starts()

    def part(start: int, stop: int) -> bytes:
        return kept[start] if stop <= old.size else root(added[start - old.size : stop - old.size])

    return _subproof(part, old.size, 0, old.size + len(added), True)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], claimed: bytes) -> bool:
    """Whether ``leaf`` (a leaf hash) is number ``index`` of the tree with this size and root (2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and result == claimed


def verify_consistency(old_size: int, old_root: bytes, size: int, claimed: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree of ``old_size`` is a prefix of the tree of ``size`` (2.1.4.2)."""
    if not 0 < old_size <= size:
        return False
    if old_size == size:
        return not proof and old_root == claimed
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not path:
        return False
    old_node, node = _without_ones(old_size - 1, size - 1)
    return _replay(path, old_node, node) == (old_root, claimed)


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree of ``size`` leaves, kept as the roots of its complete subtrees, largest first."""

    size: int = 0
    roots: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, hashes: Iterable[bytes]) -> Frontier:
        size, roots = 0, list[bytes]()
        for size, leaf in enumerate(hashes, start=1):
            _push(roots, size, leaf)
        return cls(size, tuple(roots))

    @classmethod
    def from_bytes(cls, size: int, packed: bytes) -> Frontier:
        """Read ``packed()``; raises ValueError when it cannot belong to a tree of this size."""
        if len(packed) != HASH_BYTES * size.bit_count():
            raise ValueError("the stored subtree roots do not fit the stored size")
        return cls(size, tuple(packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)))

    def packed(self) -> bytes:
        return b"".join(self.roots)

    def starts(self) -> dict[int, bytes]:
        """Each complete subtree's root, by the number of its first leaf."""
        found, at = {}, 0
        for subtree in self.roots:
            found[at] = subtree
            at += 1 << (self.size - at).bit_length() - 1
        return found

    def with_leaf(self, leaf: bytes) -> Frontier:
        roots = list(self.roots)
        _push(roots, self.size + 1, leaf)
        return Frontier(self.size + 1, tuple(roots))

    def root(self) -> bytes:
        if not self.roots:
            return hashlib.sha256(b"").digest()
        result = self.roots[-1]
        for larger in reversed(self.roots[:-1]):
            result = node_hash(larger, result)
        return result


def _push(roots: list[bytes], new_size: int, leaf: bytes) -> None:
    # Each trailing zero bit of the new size is one complete pair to be joined.
    while new_size & 1 == 0:
        leaf, new_size = node_hash(roots.pop(), leaf), new_size >> 1
    roots.append(leaf)


def _split(size: int) -> int:
    """The largest power of two smaller than ``size``."""
    return 1 << (size - 1).bit_length() - 1


def _path(hashes: Sequence[bytes], index: int, start: int, stop: int) -> list[bytes]:
    if stop - start == 1:
        return []
    middle = start + _split(stop - start)
    if index < middle:
        return [*_path(hashes, index, start, middle), root(hashes[middle:stop])]
    return [*_path(hashes, index, middle, stop), root(hashes[start:middle])]


def _subproof(part: Callable[[int, int], bytes], old: int, start: int, stop: int, whole: bool) -> list[bytes]:
    if old == stop:
        return [] if whole else [part(start, stop)]
    middle = start + _split(stop - start)
    if old <= middle:
        return [*_subproof(part, old, start, middle, whole), part(middle, stop)]
    return [*_subproof(part, old, middle, stop, False), part(start, middle)]


def _without_ones(old_node: int, node: int) -> tuple[int, int]:
    while old_node & 1:
        old_node, node = old_node >> 1, node >> 1
    return old_node, node


def _replay(path: list[bytes], old_node: int, node: int) -> tuple[bytes, bytes] | None:
    old_result = result = path[0]
    for sibling in path[1:]:
        if node == 0:
            return None
        if old_node & 1 or old_node == node:
            old_result, result = node_hash(sibling, old_result), node_hash(sibling, result)
            while not old_node & 1 and old_node:
                old_node, node = old_node >> 1, node >> 1
        else:
            result = node_hash(result, sibling)
        old_node, node = old_node >> 1, node >> 1
    return (old_result, result) if node == 0 else None
