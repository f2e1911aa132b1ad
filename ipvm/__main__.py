"""`python -m ipvm` is the command `ipvm`."""

from ipvm.cli import main

if __name__ == "__main__":
    main()
