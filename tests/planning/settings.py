"""How much the property-based tests of mixing try: small, and the same in every run."""

from hypothesis import HealthCheck, settings

few = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
some = settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
