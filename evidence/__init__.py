"""Evidence: recognising documents, deriving what selection needs, and keeping all of it in Delta tables."""
