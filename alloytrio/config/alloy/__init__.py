"""Alloy's configuration language: read, printed, evaluated, and turned into the tables of our own configuration."""
