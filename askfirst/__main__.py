"""``python -m askfirst`` is the command line."""

from askfirst.cli import main

main()
