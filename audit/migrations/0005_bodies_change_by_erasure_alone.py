from django.db import migrations

from audit.migrations_tools import append_only


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_erasure_proposals")]
    operations = [append_only("audit_body", erasable=True)]
