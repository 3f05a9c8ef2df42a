"""The viewer: pages rendered from manifests, data first and markup second."""
