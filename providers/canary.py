"""Whether the configured encryption keys are those that the stored secrets were sealed with.

A row of KeyCanary per key id, sealed under that key. A key that was mistyped, swapped or dropped too early does
not open its canary, and the product refuses to start before it writes anything under a wrong key.
"""

from django.apps import apps
from django.db import IntegrityError, models, transaction

from providers.fields import EncryptedField, Sealed, Undecryptable, is_sealed_with_first_key, keyring
from providers.models import KeyCanary

_TEXT = "the right key opens this"


def problems() -> list[str]:
    """What is wrong with the keys, in sentences; [] when every canary opens."""
    found = []
    for canary in KeyCanary.objects.order_by("key_id"):
        try:
            opened = canary.sealed.reveal()
        except Undecryptable:
            opened = ""
        if opened != _TEXT:
            found.append(
                f"The encryption key {canary.key_id!r} is missing or is not the one that secrets were stored with. "
                "Put it back into FIELD_ENCRYPTION_KEYS; drop a key only after `manage.py reencrypt`."
            )
    return found


def ensure() -> None:
    """Leave a canary for the key that writes from now on. Several processes may start at once."""
    first = next(iter(keyring()))
    if KeyCanary.objects.filter(key_id=first).exists():
        return
    try:
        with transaction.atomic():
            KeyCanary(key_id=first, sealed=Sealed(_TEXT)).save(force_insert=True)
    except IntegrityError:
        return  # another process was first


def encrypted_columns() -> list[tuple[type[models.Model], EncryptedField]]:
    """Every column of every model that holds sealed text."""
    return [
        (model, field)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, EncryptedField)
    ]


def reencrypt(*, batch: int = 500) -> int:
    """Seal everything anew under the first key; how many values were. Safe to break off and to run again.

    Each row is locked while it is resealed, so nobody's new secret is overwritten by an old one. Afterwards only
    the first key's canary is left, and the other keys can be dropped.
    """
    ensure()
    count = 0
    for model, field in encrypted_columns():
        if model is KeyCanary:
            continue
        after = None
        while True:
            rows = model._default_manager.order_by("pk")
            if after is not None:
                rows = rows.filter(pk__gt=after)
            keys = list(rows.values_list("pk", flat=True)[:batch])
            if not keys:
                break
            count += _reseal(model, field, keys)
            after = keys[-1]
    KeyCanary.objects.exclude(key_id=next(iter(keyring()))).delete()
    return count


def _reseal(model: type[models.Model], field: EncryptedField, keys: list[object]) -> int:
    count = 0
    with transaction.atomic():
        for row in model._default_manager.select_for_update().filter(pk__in=keys).only("pk", field.attname):
            stored = row.__dict__[field.attname]
            if stored and not is_sealed_with_first_key(stored):
                setattr(row, field.attname, Sealed(getattr(row, field.attname).reveal()))
                row.save(update_fields=[field.attname])
                count += 1
    return count
