"""Configurations of other collectors → ours."""
