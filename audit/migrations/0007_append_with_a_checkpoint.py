from django.db import migrations

from audit.migrations_tools import postgres_functions


class Migration(migrations.Migration):
    dependencies = [("audit", "0006_prompt_figures_and_log_checks")]
    operations = [postgres_functions("append_noted.sql")]
