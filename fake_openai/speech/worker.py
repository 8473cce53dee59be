"""A recogniser in a process of its own, so that this one can keep time.

The child (`python -m fake_openai.speech.sphinx_worker`) reads requests on its standard
input and ends when that closes: it cannot outlive its parent, however that ends.
"""

from __future__ import annotations

import json
import logging
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO

from fake_openai.speech.protocols import Pcm, Recognition

logger = logging.getLogger(__name__)

LENGTH = struct.Struct("<I")
"""Before every request: its length in bytes."""
SPHINX_WORKER = (sys.executable, "-m", "fake_openai.speech.sphinx_worker")
TURN_TIMEOUT_S = 15.0
"""For one turn, the start of the child and a second attempt included."""
ATTEMPTS = 2
"""A child that died takes nothing with it but time; a turn that kills two is at fault
itself."""
QUEUE_TIMEOUT_S = 5.0
"""How long a turn waits for others; then it goes unrecognised."""
EXIT_TIMEOUT_S = 2.0


class WorkerRecogniser:
    """Asks a child process what was said. Blocks its thread, not the interpreter.

    Thread-safe; one turn at a time. The child starts with the first turn (or `start`),
    and again after it died. Whoever makes this closes it.
    """

    def __init__(
        self,
        phrases: Mapping[str, str | None],
        *,
        command: Sequence[str] = SPHINX_WORKER,
        turn_timeout_s: float = TURN_TIMEOUT_S,
        queue_timeout_s: float = QUEUE_TIMEOUT_S,
    ) -> None:
        self._phrases = dict(phrases)
        self._command = list(command)
        self._turn_timeout_s = turn_timeout_s
        self._queue_timeout_s = queue_timeout_s
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> WorkerRecogniser:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the child now, so that the first turn need not wait for its model."""
        with self._lock:
            self._running_child()

    def recognise(self, pcm: Pcm) -> Recognition:
        """Say what was said. A child that dies over it is replaced and asked again.

        Args:
            pcm: int16, shape (n_samples,), mono, 24 kHz.

        Returns:
            A recognition; a failed one when the child was busy, too slow, or died
            twice.
        """
        if not self._lock.acquire(timeout=self._queue_timeout_s):
            logger.warning("free speech: too many turns at once")
            return Recognition.failure()
        try:
            return self._ask_patiently(pcm)
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the child; idempotent. A later turn would start it again."""
        with self._lock:
            self._stop()

    def _ask_patiently(self, pcm: Pcm) -> Recognition:
        deadline_s = time.monotonic() + self._turn_timeout_s
        for _ in range(ATTEMPTS):
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                break  # it was not dead but slow: another one would be no quicker
            try:
                return self._ask(pcm, left_s)
            except (OSError, ValueError, TypeError) as exc:
                logger.warning("free speech: the worker failed", exc_info=exc)
                self._stop()
        return Recognition.failure()

    def _ask(self, pcm: Pcm, timeout_s: float) -> Recognition:
        requests, answers = self._running_child()
        # A child that hangs is killed; the read below then sees its output end.
        assert self._child is not None
        alarm = threading.Timer(timeout_s, self._child.kill)
        alarm.start()
        try:
            send(requests, pcm.astype("<i2", copy=False).tobytes())
            line = answers.readline()
        finally:
            alarm.cancel()
        if not line:
            raise OSError("the worker has ended")
        return Recognition(**json.loads(line))

    def _running_child(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._child is None or self._child.poll() is not None:
            self._stop()
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            assert self._child.stdin is not None
            send(self._child.stdin, json.dumps(self._phrases).encode())
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        return self._child.stdin, self._child.stdout

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        for pipe in (child.stdin, child.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:
                logger.debug("the worker was gone before its pipe was closed")
        try:
            child.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def send(stream: IO[bytes], request: bytes) -> None:
    """One request: its length, itself."""
    stream.write(LENGTH.pack(len(request)) + request)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """One request, or None when there will be no more."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    request = stream.read(length)
    return request if len(request) == length else None
