"""The `bestiary` command."""


def main() -> None:
    """Run the command line."""
