from django.db import migrations

from audit.migrations_tools import append_only


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [append_only("audit_logentry"), append_only("audit_checkpoint")]
