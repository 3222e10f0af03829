"""Row A1: the tree against a tiny recursive oracle written from the definition, an independent library, published
vectors, and flips."""

import hashlib
import random

import pytest
from pymerkle import InmemoryTree

from audit import merkle

LEAVES = [
    bytes.fromhex(text)
    for text in [
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    ]
]  # fmt: skip
ROOTS = [  # the reference vectors of Certificate Transparency
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
BIGGEST = 40


def oracle(entries):
    """RFC 9162, 2.1.1, word for word."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return hashlib.sha256(b"\x01" + oracle(entries[:k]) + oracle(entries[k:])).digest()


@pytest.fixture(scope="module")
def entries():
    return [f"entry {number}".encode() for number in range(BIGGEST)]


@pytest.fixture(scope="module")
def hashes(entries):
    return [merkle.leaf_hash(entry) for entry in entries]


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_published_roots(size):
    assert merkle.root([merkle.leaf_hash(leaf) for leaf in LEAVES[:size]]).hex() == ROOTS[size]


def test_roots_and_growing_trees_equal_the_oracle(entries, hashes):
    grown = merkle.Frontier()
    for size in range(BIGGEST + 1):
        assert merkle.root(hashes[:size]) == oracle(entries[:size]) == grown.root()
        assert merkle.Frontier.from_bytes(size, grown.packed()) == grown
        if size < BIGGEST:
            grown = grown.with_leaf(hashes[size])


def test_every_inclusion_proof_holds_for_its_own_leaf_only(entries, hashes):
    for size in range(1, BIGGEST + 1):
        root = oracle(entries[:size])
        for index in range(size):
            proof = merkle.inclusion_proof(hashes[:size], index)
            assert merkle.verify_inclusion(hashes[index], index, size, proof, root)
            assert not merkle.verify_inclusion(hashes[index - 1], index, size, proof, root) or size == 1
            assert not merkle.verify_inclusion(hashes[index], index, size, [*proof, root], root)


def test_every_consistency_proof_holds_and_other_histories_do_not(entries, hashes):
    other = oracle([b"another history"])
    for size in range(1, BIGGEST + 1):
        new = oracle(entries[:size])
        for old_size in range(1, size + 1):
            old = oracle(entries[:old_size])
            proof = merkle.consistency_proof(hashes[:size], old_size)
            assert merkle.verify_consistency(old_size, old, size, new, proof)
            assert not merkle.verify_consistency(old_size, other, size, new, proof)
            assert not merkle.verify_consistency(old_size, old, size, other, proof)
            if proof:
                assert not merkle.verify_consistency(old_size, old, size, new, proof[:-1])


def flipped(data, rng):
    at = rng.randrange(len(data) * 8)
    return bytes(byte ^ (1 << at % 8 if at // 8 == place else 0) for place, byte in enumerate(data))


def differing(biggest):
    """Which roots and proofs differ from those of an independent library, of every size, leaf and older size."""
    theirs, hashes, roots, found, proofs = InmemoryTree(algorithm="sha256"), [], [], [], 0
    for size in range(1, biggest + 1):
        theirs.append_entry(f"entry {size}".encode())
        hashes.append(merkle.leaf_hash(f"entry {size}".encode()))
        roots.append(theirs.get_root(size))
        for index in range(size):
            proof = merkle.inclusion_proof(hashes, index)
            path = theirs.prove_inclusion(index + 1, size).serialize()["path"]
            same = [hashes[index].hex(), *(node.hex() for node in proof)] == path
            if not same or not merkle.verify_inclusion(hashes[index], index, size, proof, roots[-1]):
                found.append(("inclusion", index, size))
            older = merkle.consistency_proof(hashes, index + 1)
            if not merkle.verify_consistency(index + 1, roots[index], size, roots[-1], older):
                found.append(("consistency", index + 1, size))
            proofs += 2
    return found, proofs


@pytest.mark.long_sizes
def test_every_root_and_proof_agrees_with_an_independent_library(is_long, note, monkeypatch):
    found, proofs = differing(131 if is_long else 34)
    assert found == []
    note("A1", "every proof, against pymerkle", f"{proofs} proofs", "0 differ", "0")
    monkeypatch.setattr(merkle, "node_hash", lambda left, right: hashlib.sha256(left + right).digest())
    planted, _ = differing(8)
    assert planted
    note("A1", "control: nodes hashed as leaves are", "72 proofs", f"{len(planted)} differ", "caught: more than 0")


def unseen_flips(hashes, pairs):
    """How many of ``2 * pairs`` random flipped bits, in leaves, roots and proofs, are not seen."""
    rng, unseen = random.Random(7), 0
    roots = [merkle.root(hashes[:size]) for size in range(BIGGEST)]
    for _ in range(pairs):
        size = rng.randrange(2, BIGGEST)
        index, old_size = rng.randrange(size), rng.randrange(1, size)
        parts = [hashes[index], roots[size], *merkle.inclusion_proof(hashes[:size], index)]
        at = rng.randrange(len(parts))
        parts[at] = flipped(parts[at], rng)
        unseen += merkle.verify_inclusion(parts[0], index, size, parts[2:], parts[1])
        parts = [roots[old_size], roots[size], *merkle.consistency_proof(hashes[:size], old_size)]
        at = rng.randrange(len(parts))
        parts[at] = flipped(parts[at], rng)
        unseen += merkle.verify_consistency(old_size, parts[0], size, parts[1], parts[2:])
    return unseen


@pytest.mark.long_sizes
def test_no_flipped_bit_goes_unseen(hashes, is_long, note, monkeypatch):
    pairs = 10_000 if is_long else 500
    assert unseen_flips(hashes, pairs) == 0
    note("A1", "flipped bits", f"{2 * pairs} flips", "0 unseen", "0")
    honest = merkle.node_hash
    monkeypatch.setattr(merkle, "node_hash", lambda left, right: honest(left, right[:31] + b"0"))
    planted = unseen_flips(hashes, 1000)
    assert planted
    note("A1", "control: nodes that leave a byte out", "2000 flips", f"{planted} unseen", "caught: more than 0")


def test_proofs_of_what_is_not_there_are_refused(hashes):
    with pytest.raises(IndexError):
        merkle.inclusion_proof(hashes, len(hashes))
    with pytest.raises(IndexError):
        merkle.consistency_proof(hashes, 0)
    with pytest.raises(ValueError):
        merkle.Frontier.from_bytes(3, b"\x00" * 32)
    assert not merkle.verify_inclusion(hashes[0], 5, 5, [], hashes[0])
    assert not merkle.verify_consistency(0, hashes[0], 5, hashes[0], [])
