"""Counters, gauges and histograms of one process, in plain data. PURE.

Every metric is declared in a catalogue with its labels, so that a typing error is a
`KeyError` in the first test and not a new metric. The number of label values is
bounded: what comes after MAX_SERIES is counted as "other".
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

MAX_SERIES = 64
"""Label combinations of one metric; tools and error codes are the longest lists."""

Labels: TypeAlias = tuple[str, ...]
Kind: TypeAlias = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """What a metric is called and what it means."""

    name: str
    """With its unit at the end, without `_total`."""
    kind: Kind
    help: str
    labels: Labels = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, ascending; the last one, infinity, is implied."""


@dataclass(slots=True)
class Histogram:
    """Counts per bucket, not cumulated; the last one is beyond all bounds."""

    counts: list[int]
    sum: float = 0.0

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)


@dataclass(slots=True)
class Meter:
    """Counts what it is told. Not for use by several threads."""

    catalogue: Sequence[Metric]
    numbers: dict[str, dict[Labels, float]] = field(default_factory=dict)
    histograms: dict[str, dict[Labels, Histogram]] = field(default_factory=dict)
    _metrics: dict[str, Metric] = field(init=False)

    def __post_init__(self) -> None:
        self._metrics = {metric.name: metric for metric in self.catalogue}
        for metric in self.catalogue:
            # A counter that was never touched reads 0, not nothing.
            if metric.kind == "histogram":
                self.histograms[metric.name] = {}
            else:
                self.numbers[metric.name] = {} if metric.labels else {(): 0.0}

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Count; NaN and negative amounts are our own bug."""
        assert amount >= 0, name
        series = self.numbers[name]
        key = self._key(name, labels, series)
        series[key] = series.get(key, 0.0) + amount

    def set(self, name: str, value: float, **labels: str) -> None:
        """A gauge's value now."""
        series = self.numbers[name]
        series[self._key(name, labels, series)] = value

    def clear(self, name: str) -> None:
        """Forget a gauge's values, before those of this moment are set."""
        self.numbers[name].clear()

    def observe(self, name: str, value: float, **labels: str) -> None:
        """One value for a histogram; what is not a number is left out."""
        if not math.isfinite(value):
            return
        metric = self._metrics[name]
        series = self.histograms[name]
        key = self._key(name, labels, series)
        histogram = series.get(key)
        if histogram is None:
            histogram = series[key] = Histogram([0] * (len(metric.buckets) + 1))
        histogram.sum += value
        index = next(
            (n for n, bound in enumerate(metric.buckets) if value <= bound),
            len(metric.buckets),
        )
        histogram.counts[index] += 1

    def value(self, name: str, **labels: str) -> float:
        """What a counter or gauge reads; 0 when it was never touched."""
        key = tuple(labels[label] for label in self._metrics[name].labels)
        return self.numbers[name].get(key, 0.0)

    def count(self, name: str, **labels: str) -> int:
        """How many values a histogram has."""
        key = tuple(labels[label] for label in self._metrics[name].labels)
        histogram = self.histograms[name].get(key)
        return 0 if histogram is None else histogram.count

    def _key(
        self, name: str, labels: Mapping[str, str], series: Mapping[Labels, object]
    ) -> Labels:
        wanted = self._metrics[name].labels
        if set(labels) != set(wanted):
            raise KeyError(f"{name} has the labels {wanted}, not {tuple(labels)}")
        key = tuple(labels[label] for label in wanted)
        if key in series or len(series) < MAX_SERIES:
            return key
        return ("other",) * len(wanted)
