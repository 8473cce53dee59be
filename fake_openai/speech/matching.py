"""Which of many known pictures a picture holds, and how well. Pure; no thresholds.

Two steps. *Coarse*: every template is slid over the whole query at once (correlation
by FFT). *Fine*: the best few are cut into blocks of 200 ms that may each shift by a
few frames against its neighbour, so that lost or inserted packets and clocks that
disagree do not add up; the best chain of shifts is found by dynamic programming.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fake_openai.speech.spectrum import N_BANDS, Spectrum

BLOCK_FRAMES = 20
LEAST_SHIFT_FRAMES = 8
"""How far a block may lie from where the coarse step puts it ..."""
DRIFT = 0.05
"""... and how much further per frame of template: 5 % lost packets that leave no hole
shorten a recording by as much."""
MAX_STEP_FRAMES = 4
"""How much two neighbouring blocks' shifts may differ."""
SHIFT_COST = 0.02
"""What a frame of difference costs, in units of a block's similarity."""
FORBIDDEN = 1e9
MARGIN_FRAMES = 40
"""How much of a template may lie outside the query: a cut onset or end."""
N_REFINED = 6
WEAK_BLOCK = 0.25
"""Blocks with less energy than this part of the median say too little to be judged."""
MAX_FFT_FRAMES = 2048
"""20 s. The templates' transforms of this length take 16 MB."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Match:
    """How well one template explains a query."""

    template: int
    """Index of the template in its bank."""
    score: float
    """Mean similarity of the blocks (cosine, weighted by loudness), -1..1."""
    worst: float
    """Similarity of the worst stretch of two neighbouring blocks, -1..1: a codec may
    spoil one block, another word spoils two."""
    explained: float
    """Part of the query's active frames that lie where the template does, 0..1."""


@dataclass(frozen=True, slots=True)
class Template:
    """A known picture, cut into blocks."""

    cells: Floats
    starts: tuple[int, ...]
    """First frame of each block."""
    weights: NDArray[np.float64]
    """Loudness of each block: the root of its energy."""
    energy: float

    @classmethod
    def of(cls, known: Spectrum) -> Template:
        """Cut a picture; a last piece under half a block is not judged by itself."""
        n = known.n_frames
        starts = tuple(range(0, max(1, n - BLOCK_FRAMES // 2), BLOCK_FRAMES))
        blocks = [known.cells[s : s + BLOCK_FRAMES] for s in starts]
        energies = np.array([float(np.square(b).sum()) for b in blocks])
        return cls(known.cells, starts, np.sqrt(energies), float(energies.sum()))

    @property
    def n_frames(self) -> int:
        return int(self.cells.shape[0])


@dataclass(frozen=True, slots=True)
class TemplateBank:
    """Templates that are searched together. Immutable but for its cached transforms."""

    templates: tuple[Template, ...]
    _transforms: dict[int, NDArray[np.complex64]] = field(default_factory=dict)

    @property
    def longest_frames(self) -> int:
        """Length of the longest template, 0 when there is none."""
        return max((t.n_frames for t in self.templates), default=0)

    def matches(self, query: Spectrum) -> list[Match]:
        """The templates that fit best, best first; at most N_REFINED.

        Args:
            query: what was heard.

        Returns:
            Matches by falling score. Empty when there is nothing to compare, or the
            query is too long (about 20 s) to be one of them.
        """
        n_fft = _fft_frames(query.n_frames + 2 * MARGIN_FRAMES)
        if n_fft is None or query.n_frames == 0 or not self.templates:
            return []
        cells = np.pad(query.cells, ((MARGIN_FRAMES, MARGIN_FRAMES), (0, 0)))
        heard = _Heard(cells, np.pad(query.active, MARGIN_FRAMES))
        found = [
            _refined(heard, index, self.templates[index], offset)
            for index, offset in self._candidates(heard, n_fft)
        ]
        return sorted(found, key=lambda match: -match.score)

    def _candidates(self, heard: _Heard, n_fft: int) -> list[tuple[int, int]]:
        """The most promising templates, each with its best place in the query."""
        query = np.fft.rfft(heard.cells, n_fft, axis=0).astype(np.complex64)
        products = np.einsum("fb,kfb->kf", query, self._transform(n_fft))
        correlations = np.fft.irfft(products, n_fft)
        ranked = []
        for index, template in enumerate(self.templates):
            n_places = heard.n_frames - template.n_frames + 1
            if n_places < 1:
                continue
            energies = heard.energies(template.n_frames) * template.energy
            fits = correlations[index, :n_places] / np.sqrt(energies + 1e-9)
            fits = fits * heard.parts(template.n_frames)
            place = int(fits.argmax())
            ranked.append((-float(fits[place]), index, place))
        return [(index, place) for _, index, place in sorted(ranked)[:N_REFINED]]

    def _transform(self, n_fft: int) -> NDArray[np.complex64]:
        """Conjugate spectra of all templates along time, made once per length."""
        known = self._transforms.get(n_fft)
        if known is None:
            known = np.stack(
                [
                    np.conj(np.fft.rfft(t.cells[:n_fft], n_fft, axis=0))
                    for t in self.templates
                ]
            ).astype(np.complex64)
            self._transforms[n_fft] = known
        return known


class _Heard:
    """A query with running sums, so that any span's energy is one subtraction."""

    def __init__(self, cells: Floats, active: NDArray[np.bool_]) -> None:
        self.cells = cells
        energies = np.square(cells, dtype=np.float64).sum(axis=1)
        self._energy = np.concatenate([[0.0], np.cumsum(energies)])
        self._active = np.concatenate([[0], np.cumsum(active)])

    @property
    def n_frames(self) -> int:
        return int(self.cells.shape[0])

    def energies(self, n_frames: int) -> NDArray[np.float64]:
        """Energy of every span of a length, by its first frame."""
        energies: NDArray[np.float64] = (
            self._energy[n_frames:] - self._energy[:-n_frames]
        )
        return energies.clip(0, None)

    def parts(self, n_frames: int) -> NDArray[np.float64]:
        """Part of all active frames inside every span of a length."""
        counts = self._active[n_frames:] - self._active[:-n_frames]
        return np.asarray(counts / self._active[-1], dtype=np.float64)

    def explained(self, start: int, end: int) -> float:
        """Part of all active frames between two frames."""
        first, last = max(0, start), min(self.n_frames, end)
        return float((self._active[last] - self._active[first]) / self._active[-1])


def _refined(heard: _Heard, index: int, template: Template, place: int) -> Match:
    shift = LEAST_SHIFT_FRAMES + int(DRIFT * template.n_frames)
    similarities = np.stack(
        [
            _similarities(
                heard.cells, template.cells[s : s + BLOCK_FRAMES], place + s, shift
            )
            for s in template.starts
        ]
    )
    blocks = _best_chain(similarities, template.weights)
    weights = template.weights
    return Match(
        template=index,
        score=float((blocks * weights).sum() / weights.sum()),
        worst=_worst_stretch(blocks, weights),
        # Half a block of slack: the template's own edges are not sharp.
        explained=heard.explained(place - 5, place + template.n_frames + 5),
    )


def _worst_stretch(blocks: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Least weighted mean of two neighbours among the blocks that can be judged."""
    judged = np.square(weights) >= WEAK_BLOCK * np.median(np.square(weights))
    blocks, weights = blocks[judged], weights[judged]
    if blocks.size < 2:
        return float(blocks.min())
    products = blocks * weights
    means = (products[1:] + products[:-1]) / (weights[1:] + weights[:-1])
    return float(means.min())


def _similarities(
    heard: Floats, block: Floats, place: int, shift: int
) -> NDArray[np.float64]:
    """Cosine between a block and the query at every shift up to `shift` around a place.

    Returns:
        Shape (2 * shift + 1,); 0 where the block or the query holds nothing.
    """
    n = block.shape[0]
    first, last = place - shift, place + n + shift
    part = heard[max(0, first) : max(0, min(heard.shape[0], last))]
    edges = (max(0, -first), max(0, last - max(heard.shape[0], first)))
    part = np.pad(part, (edges, (0, 0)))
    spans = np.lib.stride_tricks.sliding_window_view(part, (n, N_BANDS))[:, 0]
    products = np.einsum("slb,lb->s", spans, block)
    energies = np.einsum("slb,slb->s", spans, spans) * np.square(block).sum()
    return np.asarray(products / (np.sqrt(energies) + 1e-6), dtype=np.float64)


@cache
def _step_costs(n_shifts: int) -> NDArray[np.float64]:
    """Cost of going from one shift (column) to another (row); prohibitive if far."""
    shifts = np.arange(n_shifts)
    steps = np.abs(shifts[:, np.newaxis] - shifts)
    return np.where(steps <= MAX_STEP_FRAMES, SHIFT_COST * steps, FORBIDDEN)


def _best_chain(
    similarities: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Each block's similarity along the best chain of shifts (Viterbi).

    Args:
        similarities: shape (n_blocks, n_shifts).
        weights: shape (n_blocks,).

    Returns:
        Shape (n_blocks,).
    """
    costs = _step_costs(similarities.shape[1])
    total = similarities[0] * weights[0]
    choices: list[NDArray[np.intp]] = []
    for row, weight in zip(similarities[1:], weights[1:], strict=True):
        ways = total - costs * max(weight, 1e-3)
        choice = ways.argmax(axis=1)
        choices.append(choice)
        total = ways[np.arange(choice.size), choice] + row * weight
    shift = int(total.argmax())
    chain = [shift]
    for choice in reversed(choices):
        shift = int(choice[shift])
        chain.append(shift)
    return similarities[np.arange(len(chain)), chain[::-1]]


def _fft_frames(n_frames: int) -> int | None:
    """The transform length that holds so many frames, or None when none does."""
    lengths: Sequence[int] = (256, 512, 1024, MAX_FFT_FRAMES)
    return next((n for n in lengths if n >= n_frames), None)
