"""otelcol.auth.*: credentials that receivers ask for and exporters send."""
