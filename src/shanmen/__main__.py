"""``python -m shanmen``."""

from shanmen.cli import main

main()
