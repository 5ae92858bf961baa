"""What `packfolio` runs, and `python -m pipeline`: signals are seen to before the rest is loaded."""

from pipeline.ending import at_once


@at_once
def main() -> None:
    """The command line as a whole process."""
    from pipeline.cli import command

    command()


if __name__ == "__main__":
    main()
