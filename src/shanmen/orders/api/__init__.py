"""Orders for integrators, and the addresses that payment providers report to."""
