"""Container logs: from the Docker socket through stages to Loki."""
