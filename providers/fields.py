"""Secrets at rest: AES-256-GCM under a rotatable key, bound to table, row and field.

A value copied into another row, table or column does not open: the associated data differ. What cannot be
opened raises `Undecryptable`; it is never returned as it is and never read as empty.

Keys come from FIELD_ENCRYPTION_KEYS: `<id>:<base64 of 32 bytes>` separated by commas. The first one writes,
all of them read. Rotation: append the new key as a reader, put it first, `manage.py reencrypt`, drop the old.
Stored text: `v1.<key id>.<base64url(nonce + ciphertext)>`.
"""

import base64
import binascii
import os
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models

_VERSION = "v1"


class Undecryptable(Exception):
    """A stored secret does not open with any configured key, or was moved from where it belongs."""


@lru_cache(maxsize=8)
def _parse(keys: tuple[str, ...]) -> dict[str, AESGCM]:
    ring: dict[str, AESGCM] = {}
    for item in keys:
        key_id, _, encoded = item.partition(":")
        try:
            raw = base64.b64decode(encoded, altchars=b"-_", validate=True)
        except binascii.Error as error:
            raise ValueError(f"encryption key {key_id!r} is not base64") from error
        if not key_id or "." in key_id or len(raw) != 32:
            raise ValueError("an encryption key is written <id>:<base64 of 32 bytes>, the id without a dot")
        ring[key_id] = AESGCM(raw)
    if not ring:
        raise ValueError("FIELD_ENCRYPTION_KEYS holds no key")
    return ring


def keyring() -> dict[str, AESGCM]:
    """Key id → cipher; the first one writes. ValueError for a malformed setting."""
    return _parse(tuple(settings.FIELD_ENCRYPTION_KEYS))


def seal(plain: str, *, bound_to: str) -> str:
    """Encrypt under the first key. `bound_to` must be given again, to the letter, to open it."""
    key_id, cipher = next(iter(keyring().items()))
    nonce = os.urandom(12)
    sealed = nonce + cipher.encrypt(nonce, plain.encode(), bound_to.encode())
    return f"{_VERSION}.{key_id}.{base64.urlsafe_b64encode(sealed).decode()}"


def unseal(stored: str, *, bound_to: str) -> str:
    """Open what `seal` wrote. Undecryptable when it does not open here."""
    version, _, rest = stored.partition(".")
    key_id, _, encoded = rest.partition(".")
    cipher = keyring().get(key_id)
    if version != _VERSION or cipher is None:
        raise Undecryptable(f"no key {key_id!r} to open {bound_to}")
    try:
        sealed = base64.urlsafe_b64decode(encoded)
        return cipher.decrypt(sealed[:12], sealed[12:], bound_to.encode()).decode()
    except (InvalidTag, ValueError) as error:
        raise Undecryptable(f"{bound_to} does not open with key {key_id!r}") from error


def is_sealed_with_first_key(stored: str) -> bool:
    return stored.split(".")[1:2] == [next(iter(keyring()))]


class Sealed:
    """A secret in memory: `reveal()` is the only way to its text, so no log or page shows it by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "<sealed>" if self._text else "<empty>"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class _SealedAttribute:
    """Opens lazily, because the row's key is only known once the whole row is loaded."""

    def __init__(self, field: "EncryptedField") -> None:
        self.field = field

    def __get__(self, row: models.Model | None, owner: type | None = None) -> Any:
        if row is None:
            return self
        try:
            value = row.__dict__[self.field.attname]
        except KeyError:
            row.refresh_from_db(fields=[self.field.attname])
            value = row.__dict__[self.field.attname]
        if isinstance(value, str):
            value = Sealed(unseal(value, bound_to=self.field.bound_to(row)) if value else "")
            row.__dict__[self.field.attname] = value
        return value

    def __set__(self, row: models.Model, value: object) -> None:
        row.__dict__[self.field.attname] = value


class EncryptedField(models.TextField):  # type: ignore[type-arg]
    """A text column that holds only sealed text; the attribute is a `Sealed`.

    Assign a `Sealed`; a bare str is what the database holds. The row's primary key must be set before it is
    saved (ours are UUIDs made in Python). Filtering by it is refused.
    """

    descriptor_class = _SealedAttribute
    # What the type checker's Django plugin reads: not a text's types, because the attribute is no text.
    _pyi_private_set_type: "Sealed | str"  # type: ignore[assignment]
    _pyi_private_get_type: Sealed  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["editable"] = False
        kwargs.setdefault("default", "")
        kwargs["blank"] = True
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("editable", None)
        return name, path, args, kwargs

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, self.attname, _SealedAttribute(self))

    def bound_to(self, row: models.Model) -> str:
        return f"{self.model._meta.db_table}/{row.pk}/{self.attname}"

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = model_instance.__dict__.get(self.attname, "")
        if isinstance(value, Sealed):
            if not value:
                return ""
            if model_instance.pk is None:
                raise ValueError(f"{self.name} can only be sealed once its row has a key")
            return seal(value.reveal(), bound_to=self.bound_to(model_instance))
        return value  # untouched since it was loaded: still sealed text

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Sealed) or (value and not str(value).startswith(_VERSION + ".")):
            raise TypeError(f"{self.name} is saved through its row, and never searched")
        return value

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name not in ("isnull", "exact"):
            return None
        return super().get_lookup(lookup_name)
