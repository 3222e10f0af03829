"""Many processes at one log: every acknowledged entry is there once, in order, while others read and verify, while
processes are killed with -9, and while the database itself is stopped as by a power cut."""

import random
import time

import pytest

from benchmarks.postgres_server import Server, available
from tests.log_site import Site

pytestmark = pytest.mark.skipif(not available(), reason="PostgreSQL is not installed here")


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


def check_kept(site, told):
    """Nothing acknowledged is lost, moved or doubled, and the log as a whole holds."""
    found = site.ask("check")
    assert found["found"] == []
    assert len(set(found["events"])) == len(found["events"])
    lost = [event for event, index in told if found["events"][index : index + 1] != [event]]
    return lost, len(found["events"])


@pytest.mark.long_sizes
@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_many_writers_and_readers_leave_no_gap(server, tmp_path, is_long, note, kind):
    """Row A2. Readers verify every entry as the log grows; anchors are made meanwhile."""
    writers, readers, each = (32, 4, 625) if is_long else (8, 1, 25)
    site = Site(tmp_path / "site", server.create("hammer") if kind == "postgresql" else "")
    if kind == "sqlite":
        writers, each = max(2, writers // 8), 25  # they queue for the file, and only so long
    started = [site.start(f"w{number}", "append", f"w{number}", each, 120) for number in range(writers)]
    reading = [site.start(f"r{number}", "read", 60 if is_long else 2) for number in range(readers)]
    anchored = [site.ask("anchor") for _ in range(10)]
    told = [one for worker in started for one in worker.acknowledged()]
    reads = [worker.said()[-1]["answer"] for worker in reading]
    lost, size = check_kept(site, told)
    site.close()
    assert lost == []
    assert size == len(told) == writers * each
    assert sorted(index for _, index in told) == list(range(size))
    assert anchored == sorted(anchored)
    assert [read["found"] for read in reads] == [[]] * readers
    times = sum(read["times"] for read in reads)
    note("A2", f"{kind}: {writers} writers, {readers} readers", f"{size} entries", f"0 gaps, {times} clean reads", "0")


def storm(server, site, rng, turn, acts, each):
    """Writers appending, some killed, the database stopped; what all of them were told."""
    names = (f"t{turn}w{number}" for number in range(1000))

    def writer():
        name = next(names)
        return site.start(name, "append", name, each, 60)

    told, started = [], [writer() for _ in range(8)]
    for act in acts:
        time.sleep(rng.uniform(0.05, 0.3))
        if act == "stop":
            server.stop("immediate")
            server.start()
            continue
        victim = started.pop(rng.randrange(len(started)))
        victim.kill()
        told += victim.acknowledged()
        started.append(writer())
    return told + [one for worker in started for one in worker.acknowledged()]


@pytest.mark.long_sizes
def test_no_acknowledged_entry_is_lost_to_kills_or_to_stops_of_the_database(server, tmp_path, is_long, repeats, note):
    """Row A3."""
    site, rng = Site(tmp_path / "site", server.create("storm")), random.Random(3)
    told, kills, stops, size = [], 0, 0, 0
    for turn in repeats(20 if is_long else 1):
        acts = ["kill"] * (10 if is_long else 4) + ["stop"] * (turn % 4 == 0)
        rng.shuffle(acts)
        told += storm(server, site, rng, turn, acts, 100 if is_long else 30)
        kills, stops = kills + acts.count("kill"), stops + acts.count("stop")
        lost, size = check_kept(site, told)
        assert lost == []
    site.close()
    note("A3", "8 writers, kill -9, and stops of the database", f"{kills} kills, {stops} stops, {size} entries",
         f"0 of {len(told)} acknowledged lost, 0 doubled", "0")  # fmt: skip


WAITS, DOES_NOT = "('synchronous_commit', 'on', true)", "('synchronous_commit', 'off', true)"


def unforced(server, name):
    """A new log whose functions are the same, but for the line that makes an append wait for the disk."""
    url = server.create(name)
    yield url
    for function in ("audit_append", "audit_collect"):
        ((text,),) = server.sql(f"SELECT pg_get_functiondef('{function}'::regproc)", database=name)
        assert WAITS in text
        server.sql(text.replace(WAITS, DOES_NOT), database=name)
    yield url


@pytest.mark.long_sizes
def test_a_log_that_does_not_wait_for_the_disk_loses_entries_and_is_caught(server, tmp_path, is_long, repeats, note):
    """Control of row A3: one line of the functions planted."""
    lost: list[int] = []
    for turn in repeats(5):
        if lost and lost[-1] and not is_long:
            break  # a stop may come just after the server wrote of its own accord: one in a few loses nothing
        planted = unforced(server, f"control{turn}")
        site = Site(tmp_path / f"site{turn}", next(planted))
        next(planted)
        started = [site.start(f"w{number}", "append", f"w{number}", 100_000) for number in range(4)]
        while server.sql("SELECT count(*) FROM audit_logentry", database=f"control{turn}")[0][0] < 100:
            time.sleep(0.05)
        server.stop("immediate")
        told = [one for worker in started for one in worker.acknowledged()]
        server.start()
        lost.append(len(check_kept(site, told)[0]))
        site.close()
    assert any(lost), "planted: entries that nobody waited for, and none was lost"
    note("A3", "control: synchronous_commit off", f"{len(lost)} stops", f"{sum(lost)} acknowledged entries lost",
         "caught: more than 0")  # fmt: skip
