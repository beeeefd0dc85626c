from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("checkout", "0009_provider_lists"),
    ]

    operations = [
        migrations.AddField(
            model_name="callbackrecord",
            name="times",
            field=models.PositiveIntegerField(db_default=1, default=1),
        ),
        migrations.AddIndex(
            model_name="callbackrecord",
            index=models.Index(
                condition=models.Q(("verdict", "unknown_reference")),
                fields=["account", "received_at"],
                name="callback_too_early",
            ),
        ),
    ]
