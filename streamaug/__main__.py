"""`python -m streamaug` is the command `streamaug`."""

from streamaug.cli.main import main

if __name__ == "__main__":
    main()
