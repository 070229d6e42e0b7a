"""Optical marker sets: marker label -> landmark of the body."""

from __future__ import annotations

MARKER_LANDMARKS: dict[str, dict[str, str]] = {}
