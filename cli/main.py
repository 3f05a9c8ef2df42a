"""The program ``export-center``."""


def main() -> None:
    """Run the command line."""
