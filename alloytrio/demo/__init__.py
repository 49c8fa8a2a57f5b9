"""``alloytrio demo``: lifelike telemetry of a small newspaper, sent by the OpenTelemetry SDK to a running service.

``story`` invents what happens, ``sender`` says it with the SDK. The SDK is the optional extra ``demo``.
"""
