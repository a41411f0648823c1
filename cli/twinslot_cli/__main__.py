"""The program's entry: `twinslot`, and `python -m twinslot_cli`."""

import sys


def main() -> int:
    """Run the program; its exit code. Its parts take a moment to load, and Ctrl-C may come in that moment."""
    try:
        from twinslot_cli.main import main as run
    except KeyboardInterrupt:
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
