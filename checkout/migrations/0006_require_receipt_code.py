from django.db import migrations, models

import providers.ids


class Migration(migrations.Migration):
    dependencies = [("checkout", "0005_fill_receipt_codes")]

    operations = [
        migrations.AlterField(
            model_name="order",
            name="receipt_code",
            field=models.CharField(default=providers.ids.receipt_code, editable=False, max_length=40, unique=True),
        ),
    ]
