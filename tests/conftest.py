"""Settings for all tests."""

import os

from hypothesis import HealthCheck, settings

# A busy machine is no reason to fail: neither a slow example nor slowly made ones. In CI the examples are the same in
# each run, so that a change is judged by what it changes; developers search on.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("patient")
