"""Nobody holds two roles that conflict: the database refuses the row, whoever writes it.

Written out here, as a migration tells of its own day; a test compares the pairs with llmsynthor_site/roles.py.
SQLite loses triggers when a later migration rebuilds the table: repeat this step after such a one.
"""

from django.db import migrations

TABLE = "llmsynthor_site_rolegrant"
PAIRS = (
    ("researcher", "steward"), ("owner", "steward"), ("owner", "researcher"), ("owner", "admin"), ("steward", "admin"),
    ("auditor", "owner"), ("auditor", "steward"), ("auditor", "researcher"), ("auditor", "admin"),
)  # fmt: skip
BOTH_WAYS = ", ".join(f"('{one}', '{other}'), ('{other}', '{one}')" for one, other in PAIRS)
CLASH = f"""
    EXISTS (SELECT 1 FROM {TABLE} held WHERE held.user_id = NEW.user_id AND held.id <> NEW.id
    AND held.ended_at IS NULL AND NEW.ended_at IS NULL AND (held.role, NEW.role) IN ({{pairs}}))
"""  # noqa: S608  # nosec B608  # names, not values
REFUSAL = "roles in conflict: one person may not hold both"
POSTGRES = f"""
CREATE FUNCTION refuse_conflicting_roles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM llmsynthor_site_user WHERE id = NEW.user_id FOR UPDATE;
    IF {CLASH.format(pairs=BOTH_WAYS)} THEN RAISE EXCEPTION USING ERRCODE = '23514', MESSAGE = '{REFUSAL}'; END IF;
    RETURN NULL;
END $$
"""


def statements(vendor):
    if vendor == "postgresql":
        call = "FOR EACH ROW EXECUTE FUNCTION refuse_conflicting_roles()"
        return [POSTGRES, f"CREATE TRIGGER {TABLE}_no_conflict AFTER INSERT OR UPDATE ON {TABLE} {call}"]
    clash = CLASH.format(pairs=f"VALUES {BOTH_WAYS}")
    return [
        f"CREATE TRIGGER {TABLE}_no_conflict_{kind.lower()} AFTER {kind} ON {TABLE} WHEN {clash} "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        for kind in ("INSERT", "UPDATE")
    ]


def install(apps, schema_editor):
    for statement in statements(schema_editor.connection.vendor):
        schema_editor.execute(statement, None)


def remove(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP TRIGGER {TABLE}_no_conflict ON {TABLE}")
        schema_editor.execute("DROP FUNCTION refuse_conflicting_roles()")
        return
    for kind in ("insert", "update"):
        schema_editor.execute(f"DROP TRIGGER {TABLE}_no_conflict_{kind}")


class Migration(migrations.Migration):
    dependencies = [("llmsynthor_site", "0002_people")]
    operations = [migrations.RunPython(install, remove, hints={"model_name": "rolegrant"})]
