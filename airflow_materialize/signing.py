"""Signs what one process leaves for another, so that nothing is believed that was changed on its way."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KEY = ".key"
"""The name of the file with a key of its own."""

_SIGNATURE = "signature"
# Whole numbers up to here are the same as int and as float.
_EXACT = 2**53


class ForgedError(Exception):
    """The data bear no signature of ours."""


@dataclass(frozen=True)
class Signer:
    """Signs plain data, and recognizes what was signed.

    Attributes:
        purpose: What the data are. A signature for one purpose is none for another.
        folder: Where a key is made for its owner's eyes, if no secret is given.
        secret: A secret of the deployment, or several with commas between: the first signs, all are recognized.
    """

    purpose: str
    folder: Path
    secret: bytes = field(default=b"", repr=False)

    def signed(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the data with a signature.

        Raises:
            OSError: The key cannot be made or read.
        """
        return {**data, _SIGNATURE: self._signature(self._keys()[0], data)}

    def opened(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the data without their signature.

        Raises:
            ForgedError: They have none, or they are not those that were signed.
            OSError: The key cannot be made or read.
        """
        found = data.get(_SIGNATURE)
        bare = {name: value for name, value in data.items() if name != _SIGNATURE}
        if not isinstance(found, str) or not found.isascii():
            raise ForgedError("no signature")
        if not any(hmac.compare_digest(found, self._signature(key, bare)) for key in self._keys()):
            raise ForgedError("another signature")
        return bare

    def _keys(self) -> list[bytes]:
        given = [part.strip() for part in self.secret.split(b",") if part.strip()]
        return given or [own_key(self.folder)]

    def _signature(self, key: bytes, data: Mapping[str, Any]) -> str:
        own = hmac.digest(key, self.purpose.encode(), "sha256")
        return hmac.new(own, json.dumps(_canonical(data), sort_keys=True).encode(), hashlib.sha256).hexdigest()


def own_key(folder: Path) -> bytes:
    """Return the key that is kept in a folder, and make it where there is none.

    Raises:
        OSError: The folder cannot be written, or the key cannot be read.
    """
    file = folder / KEY
    if not file.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".") as made:  # Which only its owner may read.
            made.write(secrets.token_bytes(32))
            made.flush()
            with suppress(FileExistsError):
                file.hardlink_to(made.name)
    return file.read_bytes()


def _canonical(value: Any) -> Any:
    """Return plain data in a form that is the same after JSON, whoever wrote it: a database may turn 1e3 into 1000."""
    if isinstance(value, Mapping):
        return {str(name): _canonical(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(each) for each in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    with suppress(OverflowError):
        number = float(value)
        return int(number) if number.is_integer() and abs(number) < _EXACT else number
    return str(value)
