"""The viewer: pages rendered from manifests, data first and markup second."""

VIEWER_VERSION = "2"
"""Named in every export.json; raise it whenever a page made from the same facts gets other bytes."""
