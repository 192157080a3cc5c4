"""`python -m rmfd_cli` is `rmfd`."""

from rmfd_cli.cli import main

main()
