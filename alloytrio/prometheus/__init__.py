"""Components that speak Prometheus; the path of a module is the type of its component."""
