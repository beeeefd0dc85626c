import secrets

from django.db import migrations


def fill(apps, schema_editor):
    orders = apps.get_model("checkout", "Order").objects.filter(receipt_code=None)
    for order in orders.only("pk").iterator(chunk_size=1000):
        orders.filter(pk=order.pk).update(receipt_code="rcp_" + secrets.token_hex(16))


class Migration(migrations.Migration):
    dependencies = [("checkout", "0004_receipt_code")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
