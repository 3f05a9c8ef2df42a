"""Adapters: how records become the files of a bundle."""
