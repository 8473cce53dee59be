"""The secret that signs tokens: given, or made once and kept in the data folder."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from server.errors import StartError

FILE_NAME = "token-secret"
N_BYTES = 32


def load_secret(given: str | None, data_dir: Path) -> bytes:
    """The secret, at least N_BYTES long; made and stored with mode 0600 if need be.

    Raises:
        StartError: the one given is too short, or the file cannot be used.
    """
    if given is not None:
        if len(given.encode()) < N_BYTES:
            raise StartError(
                f"VOICEBRIDGE_TOKEN_SECRET: needs at least {N_BYTES} characters"
            )
        return given.encode()
    path = data_dir / FILE_NAME
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        _create(path)
        secret = path.read_bytes()
    except OSError as exc:
        raise StartError(
            f"cannot keep the token secret in {path}: {exc.strerror or exc}; "
            "set VOICEBRIDGE_DATA_DIR or VOICEBRIDGE_TOKEN_SECRET"
        ) from exc
    if len(secret) < N_BYTES:
        raise StartError(f"{path} is damaged: delete it, and all tokens end with it")
    return secret


def _create(path: Path) -> None:
    """Write a new secret, unless there is one; never half of it for anybody to see."""
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(N_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first: theirs counts
            os.link(draft, path)
    finally:
        draft.unlink()
