"""What the services' command lines share: a mistake is one line on stderr and exit status 2."""

import argparse
from collections.abc import Callable
from typing import NoReturn, TypeVar

Number = TypeVar("Number", int, float)


class Parser(argparse.ArgumentParser):
    """argparse's parser, without the usage that it prints before the line that says what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def between(low: Number, high: Number) -> Callable[[str], Number]:
    """Make an option's `type`: an int or a float, as the bounds are, from low to high, both included."""

    def parse(text: str) -> Number:
        try:
            number = type(low)(text)
        except ValueError:
            number = None
        if number is None or not low <= number <= high:
            raise argparse.ArgumentTypeError(f"not {type(low).__name__} from {low} to {high}: {text!r}")
        return number

    return parse


port = between(0, 65535)
