"""An OpenTelemetry collector on 127.0.0.1, and what a whole campaign must have told it, and the log beside it."""

from __future__ import annotations

import json
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from sqlalchemy import Engine, text

from loopback import HttpServer

STEPS = ("extract", "validate", "segment", "publish", "load", "figures", "plan", "render", "ask", "deliver", "report")


class Collector(HttpServer):
    """Keeps the last value of each figure that was posted to it."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}

    async def _answer(self, head: bytes, body: bytes) -> bytes:
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for scope in resource.scope_metrics:
                self.figures |= {metric.name: _value(metric) for metric in scope.metrics}
        return b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"

    @property
    def settings(self) -> dict[str, str]:
        """Airflow's own, by which its figures come here, and its log is JSON."""
        return {
            "AIRFLOW__METRICS__OTEL_ON": "True",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.base_url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "AIRFLOW__LOGGING__JSON_LOGS": "True",
            "AIRFLOW__LOGGING__NAMESPACE_LEVELS": "habitue=DEBUG",
        }


def _value(metric: Any) -> float:
    kind = metric.WhichOneof("data")
    points = getattr(metric, kind).data_points
    return sum(point.sum if "histogram" in kind else point.as_int or point.as_double for point in points)


def told_all(collector: Collector, output: str, base: Engine) -> None:
    """Figures are those of the ledger and of the base; each line of ours names its run, its shard and its message."""
    with base.connect() as connection:
        asked = "select channel, count(*)::int from message where state = 'accepted' group by channel"
        left = dict(connection.execute(text(asked)).all())  # type: ignore[arg-type]
        customers = connection.scalar(text("select count(*) from customer"))
    figures = {name.removeprefix("airflow.habitue."): value for name, value in collector.figures.items()}
    assert {channel: figures[f"messages.{channel}.accepted"] for channel in left} == left
    assert figures["claims"] == sum(left.values())
    assert figures["snapshot.rows.customers"] == customers
    assert figures["snapshot.rows.orders"] > 0
    assert [step for step in STEPS if not figures[f"steps.{step}"] > 0] == []

    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    ours = [line for line in lines if line.get("logger") == "habitue"]
    assert sum(line["messages"] for line in ours if line["event"] == "claimed") == sum(left.values())
    assert all(line["shard"].startswith(f"{line['run']}/") for line in ours)
    assert len({line["message_id"] for line in ours if line["event"] == "accepted"}) == sum(left.values())
