"""Flows: deciding, selecting, building and sending."""
