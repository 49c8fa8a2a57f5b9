"""alloytrio: takes in OTLP and container logs, delivers them to Tempo, Prometheus and Loki.

The folder tree is the two pipelines: a component's type is its module's path, so ``otelcol.receiver.otlp``
is built by ``alloytrio/otelcol/receiver/otlp.py``. Imports go one way, see ``tests/test_architecture.py``.
"""

__version__ = "0.1.0"
