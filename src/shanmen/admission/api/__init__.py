"""Admission over HTTP: for integrators under ``/api/v1``, for gates under ``/gate/v1``."""
