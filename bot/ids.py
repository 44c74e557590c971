"""Names that nobody can guess."""

from __future__ import annotations

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 22


def new_id() -> str:
    """A fresh job or session id: 22 letters and digits, 131 bits of chance.

    Unguessable, because knowing a job's id grants reading it; URL-safe; and at most 25
    characters, because a job's id doubles as the nonce of its chat message, which Discord limits
    to 25.
    """
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
