"""The child process of `WorkerRecogniser`: phrases, then turns in; JSON lines out."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import IO

import numpy as np

from fake_openai.speech.sphinx import SphinxRecogniser
from fake_openai.speech.worker import receive


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until there are no more requests."""
    phrases = receive(requests)
    if phrases is None:
        return
    recogniser = SphinxRecogniser(json.loads(phrases))
    while (turn := receive(requests)) is not None:
        result = recogniser.recognise(np.frombuffer(turn, "<i2").astype(np.int16))
        answers.write(json.dumps(asdict(result)).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
