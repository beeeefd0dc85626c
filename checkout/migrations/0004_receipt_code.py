from django.db import migrations, models


class Migration(migrations.Migration):
    """Every order gets an address for its receipt: added, filled and required in three steps."""

    dependencies = [("checkout", "0003_reservation_event")]

    operations = [
        migrations.AddField(
            model_name="order",
            name="receipt_code",
            field=models.CharField(editable=False, max_length=40, null=True),
        ),
    ]
