"""The bundle format: pure functions and values, no clock, no environment, no network.

Everything a receiver needs lives here, so that the verifier installs small and imports in milliseconds.
"""

__version__ = "0.1.0"
