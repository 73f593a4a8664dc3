"""Measurements; nothing here passes or fails by its time."""
