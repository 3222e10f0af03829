from django.db import migrations

from audit.migrations_tools import append_only


class Migration(migrations.Migration):
    dependencies = [("privacy", "0001_initial")]
    operations = [append_only("privacy_ledgerentry"), append_only("privacy_measurementrecord")]
