"""Run the command `streamaug` as `python -m streamaug`."""

from streamaug.cli.main import main

if __name__ == "__main__":
    main()
