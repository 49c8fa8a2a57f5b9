"""Settings for all tests."""

from hypothesis import HealthCheck, settings

# A busy machine is no reason to fail: neither a slow example nor slowly made ones.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
