"""Keeps the latest telemetry in memory for the viewer pages; `memory.py` is the component, the rest reads."""
