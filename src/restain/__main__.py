"""``python -m restain``, for launchers such as torchrun."""

from restain.cli import main

if __name__ == "__main__":
    main()
