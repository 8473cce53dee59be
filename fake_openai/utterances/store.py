"""The committed recordings: the index read once, each file decoded once."""

from __future__ import annotations

import json
import re
import threading
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from fake_openai.utterances.model import Pcm, Role, Utterance, utterance_from_entry
from fake_openai.utterances.opus_file import decode_opus_file

INDEX_FORMAT = 1
"""Version of the index's layout; make_speech.py writes it."""


class UnknownUtteranceError(KeyError):
    """No prepared recording has this id."""

    def __init__(self, utterance_id: str) -> None:
        super().__init__(utterance_id)
        self.utterance_id = utterance_id

    def __str__(self) -> str:
        return (
            f"no prepared utterance {self.utterance_id!r}; "
            "fake_openai/utterances/texts.toml lists them"
        )


class UtteranceStore:
    """Prepared recordings of one folder. Thread-safe; decoded samples are kept.

    All 100-odd recordings decoded are about 15 MB; they are never evicted.
    """

    def __init__(self, folder: Traversable) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._pcm: dict[str, Pcm] = {}
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        if index["format"] != INDEX_FORMAT:
            raise ValueError(f"index.json has format {index['format']!r}")
        self._by_id = {
            str(entry["id"]): utterance_from_entry(entry, source=self)
            for entry in index["utterances"]
        }
        self._by_text: dict[str, list[Utterance]] = {}
        for utterance in self._by_id.values():
            self._by_text.setdefault(text_key(utterance.text), []).append(utterance)

    def load(self, utterance_id: str) -> Utterance:
        """The recording with this id.

        Raises:
            UnknownUtteranceError: there is none.
        """
        try:
            return self._by_id[utterance_id]
        except KeyError:
            raise UnknownUtteranceError(utterance_id) from None

    def all(self, role: Role | None = None) -> tuple[Utterance, ...]:
        """Every recording, or every one of a role, in the order of texts.toml."""
        return tuple(u for u in self._by_id.values() if role in (None, u.role))

    def find(
        self, text: str, *, role: Role | None = None, speaker: str | None = None
    ) -> Utterance | None:
        """The first recording of a text; case and punctuation do not matter."""
        for utterance in self._by_text.get(text_key(text), ()):
            if role in (None, utterance.role) and speaker in (None, utterance.speaker):
                return utterance
        return None

    def pcm(self, utterance_id: str) -> Pcm:
        """Samples of a recording, read-only; decoded at most once."""
        with self._lock:
            pcm = self._pcm.get(utterance_id)
            if pcm is None:
                pcm = self._decode(self._by_id[utterance_id])
                self._pcm[utterance_id] = pcm
            return pcm

    def _decode(self, utterance: Utterance) -> Pcm:
        path = self._folder / "audio" / f"{utterance.id}.opus"
        pcm = decode_opus_file(path.read_bytes(), n_samples=utterance.n_samples)
        pcm.setflags(write=False)
        return pcm


_WORD = re.compile(r"[a-z0-9']+")


def text_key(text: str) -> str:
    """What two spellings of one sentence have in common: lower-case words."""
    return " ".join(_WORD.findall(text.lower().replace("’", "'")))


@cache
def bundled() -> UtteranceStore:
    """The recordings that ship with this package. Reads the index when first used."""
    return UtteranceStore(resources.files("fake_openai.utterances"))
