"""The entry point: `rmfd`, and `python -m rmfd_cli`."""

import sys


def main() -> None:
    """Runs the command line; Ctrl-C while that is still being loaded ends it as at any later time."""
    try:
        from rmfd_cli.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("rmfd: stopped; nothing was begun\n")
        raise SystemExit(130) from None
    run()


if __name__ == "__main__":
    main()
