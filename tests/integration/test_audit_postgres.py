"""The log on PostgreSQL: the application's role appends and reads and can do nothing else, and the functions in the
database give the very bytes that the other path gives."""

import json
from datetime import UTC, datetime

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import canonical, log_roles
from audit.errors import AuditError
from audit.leaves import Leaf
from audit.merkle import Frontier, leaf_hash
from benchmarks.postgres_server import Server, available
from tests.log_site import Site

pytestmark = [
    pytest.mark.skipif(not available(), reason="PostgreSQL is not installed here"),
    pytest.mark.xdist_group("postgresql"),  # one server, whose log each test goes on with
]


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def owned(server, tmp_path_factory):
    """A site whose log is set up by its owner, with a role for the application."""
    url = server.create("log_roles")
    server.sql("CREATE ROLE app LOGIN")
    site = Site(tmp_path_factory.mktemp("site"), url)
    assert site.ask("command", "grant_log_role", "app").startswith("app may append")
    yield site
    site.close()


@pytest.fixture(scope="module")
def app(server, owned):
    """The same site as the application runs it."""
    site = Site(owned.folder, server.url("log_roles", role="app"), made=True)
    yield site
    site.close()


def test_the_application_appends_anchors_and_verifies_through_its_role(app):
    assert app.ask("append", "first", 3) == "done"
    assert app.ask("anchor") == 3
    found = app.ask("check")
    assert (found["found"], found["events"]) == ([], ["first-0", "first-1", "first-2"])


FORBIDDEN = [
    "INSERT INTO audit_logentry SELECT index + 9, leaf, leaf_hash, 'x', action, by, subject, at FROM audit_logentry",
    "INSERT INTO audit_checkpoint SELECT size + 1, note, at FROM audit_checkpoint",
    "INSERT INTO audit_body VALUES ('x', 'x', 'x', '', '', '', false)",
    "UPDATE audit_logentry SET leaf = leaf", "UPDATE audit_checkpoint SET note = note",
    "UPDATE audit_loghead SET size = 0", "UPDATE audit_body SET erased = true",
    "DELETE FROM audit_logentry", "DELETE FROM audit_checkpoint", "DELETE FROM audit_loghead", "DELETE FROM audit_body",
    "TRUNCATE audit_logentry", "TRUNCATE audit_checkpoint", "TRUNCATE audit_loghead",
    "SELECT * FROM audit_loghead FOR UPDATE", "DELETE FROM audit_waiting",
    "INSERT INTO audit_waiting VALUES ('x', '[]')",
    "ALTER TABLE audit_logentry DISABLE TRIGGER ALL", "ALTER TABLE audit_logentry DISABLE TRIGGER USER",
    "DROP TRIGGER audit_logentry_no_update ON audit_logentry", "DROP TABLE audit_logentry",
    "SET session_replication_role TO replica", "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger "
    "LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'", "CREATE FUNCTION sha256(text) RETURNS bytea LANGUAGE sql AS ''''''",
    "SELECT audit_enter(audit_locked_head(), '[]', now())", "ALTER FUNCTION audit_append OWNER TO app",
    "SET ROLE postgres",
]  # fmt: skip


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_application_can_do_nothing_else_to_the_log(app, statement):
    with psycopg.connect(app.url, autocommit=True) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


@pytest.mark.parametrize("statement", ["UPDATE audit_logentry SET by = 'eve'", "DELETE FROM audit_logentry",
                                       "TRUNCATE audit_logentry", "DELETE FROM audit_checkpoint"])  # fmt: skip
def test_triggers_stop_the_owner(owned, app, statement):
    app.ask("append", "owner", 1)
    app.ask("anchor")
    with psycopg.connect(owned.url, autocommit=True) as connection, pytest.raises(psycopg.Error, match="append-only"):
        connection.execute(statement)


def row(connection, query, values=()):
    found = connection.execute(query, values).fetchone()
    assert found is not None
    return found


CALL = "SELECT audit_append('t', %s::json, %s, %s, %s)"
EVENT = {"event": "e", "action": "a:b:c", "by": "u", "subject": "s", "facts": "{}", "untimed": False, "bodies": []}
MOMENT = datetime(2031, 1, 1, tzinfo=UTC)


def called(url, *, told=(), moment=MOMENT, anchor=None):
    with psycopg.connect(url, autocommit=True) as connection:
        size, root = anchor or row(connection, "SELECT size, NULL::bytea FROM audit_loghead")
        root = root or row(connection, "SELECT audit_root(frontier) FROM audit_loghead")[0]
        return row(connection, CALL, [json.dumps(list(told)), moment, size, root])[0]


@pytest.mark.parametrize(
    ("how", "rule"),
    [
        ({"told": [EVENT | {"facts": "[]"}]}, "facts are an object"),
        ({"told": [EVENT | {"facts": '{},"index":7'}]}, "invalid input syntax for type json"),
        ({"told": [EVENT], "moment": datetime(2001, 1, 1, tzinfo=UTC)}, "the clock stands before"),
        ({"told": [EVENT], "anchor": (10**6, bytes(32))}, "an older state was restored"),
        ({"told": [EVENT | {"by": "x" * 201}]}, "value too long"),
    ],
)
def test_the_function_refuses_what_would_not_be_an_entry(owned, app, how, rule):
    app.ask("append", "refusing", 1)
    before = app.ask("check")
    with pytest.raises(psycopg.Error, match=rule):
        called(owned.url, **how)
    assert app.ask("check") == before


def test_the_function_refuses_another_history_and_a_checkpoint_of_what_is_not_there(owned):
    with psycopg.connect(owned.url, autocommit=True) as connection:
        size = row(connection, "SELECT size FROM audit_loghead")[0]
        with pytest.raises(psycopg.Error, match="different histories"):
            connection.execute(CALL, [json.dumps([EVENT]), MOMENT, size, bytes(32)])
        with pytest.raises(psycopg.Error, match="the anchor is gone"):
            connection.execute(CALL, [json.dumps([EVENT]), MOMENT, None, None])
        with pytest.raises(psycopg.Error, match="not here"):
            connection.execute("SELECT audit_keep_checkpoint(%s, %s)", [size + 1, b"note"])


def test_an_entry_is_waited_for_whatever_the_session_says(owned):
    """The server, the role and the session all say off; while the entry is made, it is on."""
    with psycopg.connect(owned.url) as connection:
        connection.execute("SET synchronous_commit TO off")
        size, root = row(connection, "SELECT size, audit_root(frontier) FROM audit_loghead")
        connection.execute(CALL, [json.dumps([EVENT]), MOMENT, size, root])
        assert row(connection, "SHOW synchronous_commit") == ("on",)
        connection.rollback()


texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=20)
facts = st.dictionaries(
    texts, st.one_of(texts, st.integers(-(2**53) + 1, 2**53 - 1), st.booleans(), st.none()), max_size=4
)


@settings(max_examples=60, deadline=None)
@given(events=st.lists(st.tuples(texts, texts, texts, facts), min_size=1, max_size=6))
def test_the_database_writes_the_very_bytes_that_python_writes(owned, events):
    """Python, psycopg and PostgreSQL each quote strings in their own way; an entry may not depend on which did."""
    told = [
        EVENT | {"event": f"e{at}", "action": action, "by": by, "subject": subject,
                 "facts": canonical.dumps(known).decode()}
        for at, (action, by, subject, known) in enumerate(events)
    ]  # fmt: skip
    with psycopg.connect(owned.url) as connection:
        head = row(connection, "SELECT size, frontier, audit_root(frontier) FROM audit_loghead")
        first = row(connection, CALL, [json.dumps(told), MOMENT, head[0], head[2]])[0][0]
        query = "SELECT leaf, leaf_hash FROM audit_logentry WHERE index >= %s ORDER BY index"
        written = connection.execute(query, [first]).fetchall()
        grown = row(connection, "SELECT frontier FROM audit_loghead")[0]
        connection.rollback()
    tree = Frontier.from_bytes(head[0], head[1])
    for at, (action, by, subject, known) in enumerate(events):
        leaf = Leaf(first + at, "2031-01-01T00:00:00Z", f"e{at}", action, by, subject, known).to_bytes()
        assert written[at] == (leaf, leaf_hash(leaf))
        tree = tree.with_leaf(leaf_hash(leaf))
    assert grown == tree.packed()


def test_a_role_that_could_take_its_rights_back_is_refused(owned, server, settings):
    for role, rule in {
        "postgres": "superuser",
        "nobody_here": "there is no role",
        "heir": "owns the log's tables",
    }.items():
        if role == "heir":
            server.sql("CREATE ROLE keeper", "CREATE ROLE heir IN ROLE keeper")
            server.sql("ALTER TABLE audit_logentry OWNER TO keeper", database="log_roles")
        assert rule in owned.ask("command", "grant_log_role", role)
    server.sql("ALTER TABLE audit_logentry OWNER TO postgres", database="log_roles")


@pytest.mark.long_sizes
@pytest.mark.parametrize("fault", ["database down", "lock held"])
def test_what_postgresql_cannot_take_stops_the_log_until_it_can(server, owned, app, is_long, repeats, note, fault):
    """Row A5. An append that is refused leaves nothing behind that would enter later."""
    server.sql("ALTER ROLE app SET lock_timeout = '300ms'")
    for times in repeats(5 if is_long else 1):
        before = app.ask("check")["events"]
        with psycopg.connect(owned.url) as holder:
            if fault == "lock held":
                holder.execute("SELECT * FROM audit_loghead FOR UPDATE")
            else:
                server.stop("fast")
            refused = app.ask("append", f"{fault}-{times}", 1)
        if fault == "database down":
            server.start()
        assert refused.startswith("refused: ")
        assert ("another one keeps the log locked" in refused) == (fault == "lock held")
        assert server.sql("SELECT count(*) FROM audit_waiting", database="log_roles") == [(0,)]
        assert app.ask("append", f"after-{fault}-{times}", 1) == "done"
        assert app.ask("check") == {"found": [], "events": [*before, f"after-{fault}-{times}-0"]}
    note("A5", f"postgresql: {fault}", f"{times + 1} times", "refused, recovered each time", "0 entered")


def test_sqlite_has_no_roles():
    with pytest.raises(AuditError, match="roles are PostgreSQL's"):
        log_roles.statements("app")
