"""The entry point of `twinslot` and of `python -m twinslot_cli`."""

import sys


def main() -> int:
    """Run the program; return its exit code. Handles Ctrl-C also while the imports load."""
    try:
        from twinslot_cli.main import main as run
    except KeyboardInterrupt:
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
