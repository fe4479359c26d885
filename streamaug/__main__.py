"""Run the command `streamaug`, also as `python -m streamaug`."""

import sys

from streamaug.interrupts import run_until_stopped

_RESUME = "; what is finished is kept, run the command again to resume"


def main() -> None:
    """Run the command line in `sys.argv`."""
    run_until_stopped(_run, advice=_RESUME if "build" in sys.argv[1:] else "")


def _run() -> None:
    from streamaug.cli.main import main  # here, since it imports for a while

    main()


if __name__ == "__main__":
    main()
