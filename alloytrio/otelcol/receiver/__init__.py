"""Components that speak OpenTelemetry; the path of a module is the type of its component."""
