from django.db import migrations

from audit.migrations_tools import postgres_functions


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_append_only")]
    operations = [postgres_functions("append.sql")]
