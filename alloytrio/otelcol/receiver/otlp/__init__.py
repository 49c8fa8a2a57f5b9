"""otelcol.receiver.otlp: ``receiver.py`` is the component, ``intake.py`` what both of its servers feed."""

from alloytrio.otelcol.receiver.otlp.receiver import OtlpReceiver, OtlpReceiverConfig

__all__ = ["OtlpReceiver", "OtlpReceiverConfig"]
