"""Counters of the bridge, as Prometheus text; served on the unix socket only."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["BridgeMetrics"]


class BridgeMetrics:
    """One registry per bridge, so that two in one process (tests) do not share counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ticks = Counter("bridge_ticks", "Ticks published", ["tenant", "agent"], registry=self.registry)
        self.refused = Counter("bridge_ticks_refused", "Ticks quarantined", ["rule"], registry=self.registry)
        self.duplicates = Counter("bridge_duplicates", "Resent records dropped", ["lane"], registry=self.registry)
        self.reports = Counter("bridge_reports", "Reports published", ["kind"], registry=self.registry)
        self.intents = Counter("bridge_intents", "Order intents", ["outcome"], registry=self.registry)
        self.refusals = Counter("bridge_refusals", "Connections and frames refused", ["code"], registry=self.registry)
        self.agents = Gauge("bridge_agents", "Agents connected", registry=self.registry)
        self.clients = Gauge("bridge_clients", "Pages and notebooks connected", registry=self.registry)
        self.dropped = Counter("bridge_clients_dropped", "Slow clients dropped", registry=self.registry)
        self.publish_seconds = Histogram(
            "bridge_publish_seconds", "From a batch read to it being durable on the bus",
            buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 1.0), registry=self.registry,
        )  # fmt: skip

    def text(self) -> bytes:
        return generate_latest(self.registry)
