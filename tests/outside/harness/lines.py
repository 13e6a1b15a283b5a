"""The commands of a page, line by line, as a reader types them."""

import re

from .paths import ROOT


def blocks(name, kind="sh"):
    """The fenced blocks of a kind, in the order of the page."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", (ROOT / name).read_text(), re.M | re.S)


def lines(block):
    """Its commands; one that goes on in the next line is one."""
    joined = block.replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def is_assignment(line):
    """Whether a line only names something for those after it."""
    return bool(re.fullmatch(r"""[A-Z]+=(?:"[^"]*"|\S*)""", line))
