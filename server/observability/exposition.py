"""A meter in the text format that Prometheus reads."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from server.observability.meter import Histogram, Meter
from server.observability.meter import Metric as Declared

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "voicebridge_"


def exposition(meter: Meter) -> bytes:
    """Every metric of the catalogue, with what was counted so far."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(meter))
    return generate_latest(registry)


class _Collector:
    """Hands a meter to the client library, which knows the format."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def collect(self) -> Iterator[Metric]:
        """Once per exposition."""
        for metric in self._meter.catalogue:
            yield self._family(metric)

    def describe(self) -> Iterable[Metric]:
        """Nothing needs to be known beforehand."""
        return ()

    def _family(self, metric: Declared) -> Metric:
        name, labels = PREFIX + metric.name, list(metric.labels)
        if metric.kind == "histogram":
            family = HistogramMetricFamily(name, metric.help, labels=labels)
            for key, histogram in self._meter.histograms[metric.name].items():
                buckets = _cumulated(metric.buckets, histogram)
                family.add_metric(list(key), buckets, histogram.sum)
            return family
        kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        numbers = kind(name, metric.help, labels=labels)
        for key, value in self._meter.numbers[metric.name].items():
            numbers.add_metric(list(key), value)
        return numbers


def _cumulated(
    bounds: tuple[float, ...], histogram: Histogram
) -> list[tuple[str, float]]:
    total = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip(bounds, histogram.counts, strict=False):
        total += count
        buckets.append((str(float(bound)), total))
    buckets.append(("+Inf", histogram.count))
    return buckets
