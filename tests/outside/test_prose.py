"""`scripts/words`, which judges how the documents read: it finds each thing that it refuses, and lets plain sentences pass."""

import importlib.machinery
import importlib.util
import re
import subprocess

import pytest

from harness.paths import ROOT

LOADER = importlib.machinery.SourceFileLoader("words", str(ROOT / "scripts/words"))
WORDS = importlib.util.module_from_spec(importlib.util.spec_from_loader("words", LOADER))
LOADER.exec_module(WORDS)

PLAIN = """# A heading; who reads it

The server grants the permit. A client waits for its turn!

| who | what it does |
| --- | --- |
| `lockctl` | runs a command |

```sh
who; what; whoever
```

    an indented block; who

- There is no lease. It is no longer held. Who leads?
"""


def complaints(text, old=()):
    """What the script says of a page."""
    return list(WORDS.complaints("page.md", text, old))


def test_plain_sentences_pass_and_code_is_not_read():
    numbers = WORDS.measure(PLAIN.replace("Who leads?", ""))
    assert (numbers["semicolons"], numbers["mean"]) == (0, 5)
    assert complaints(PLAIN.replace("| who |", "| program |").replace("Who leads?", "What leads?")) == []


# One that the glossary has replaced, read from there: it may stand nowhere else, not even here.
OLD, NEW = WORDS.retired()[0]


@pytest.mark.parametrize("sentence, said", [
    ("Who holds the lock may release it.", "name the subject first"),
    ("It stops: what is left goes on.", "name the subject first"),
    ("A permit goes to whoever waits first.", "says whoever"),
    ("The key is none of this server's.", "none of"),
    ("The path is no whole path for a file.", 'says "is no X"'),
    (f"It stands at the end and is {OLD}.", f"'{OLD}' is called '{NEW}'"),
    (" ".join(["word"] * 41) + ".", "41 words in a sentence"),
    ("One; two; three.", "semicolons in 1,000 words"),
])
def test_each_thing_is_refused(sentence, said):
    for text in (f"A heading follows.\n\n{sentence}\n", f"- A point is here.\n- {sentence}\n", f"| one | two |\n| --- | --- |\n| {sentence} | x |\n"):
        found = [line for line in complaints(text, [(OLD, NEW)]) if said in line]
        assert found, (text, complaints(text))


def test_a_complaint_names_the_line():
    assert "page.md:3: says whoever: name the person: It is\nfor whoever reads.".replace("\n", " ") in complaints("One.\n\nIt is\nfor whoever reads.\n")


def test_the_words_of_the_glossary_are_known():
    assert len(WORDS.retired()) > 20


def test_pages_keep_the_bounds_and_a_bad_one_fails(tmp_path):
    done = subprocess.run([ROOT / "scripts/words"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "bad.md").write_text("Whoever reads this stops.\n")
    done = subprocess.run([ROOT / "scripts/words", tmp_path / "bad.md"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "says whoever" in done.stdout, done


def anchor(heading):
    """How a heading is linked to."""
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")


def prose(page):
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)


@pytest.mark.parametrize("name", WORDS.documents())
def test_links_lead_somewhere(name):
    page = ROOT / name
    for target, place in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", prose(page)):
        if not re.match(r"[a-z]+:", target):
            there = page.parent / target if target else page
            assert there.exists(), f"{name}: there is no {target}"
            assert not place or place in [anchor(heading) for heading in re.findall(r"^#+ (.+)$", prose(there), re.M)], f"{name}: {target}#{place}"


def listed():
    """The pages of docs/SUMMARY.md by their group, as paths in the source."""
    _, first, *parts = re.split(r"^# (.+)$", (ROOT / "docs/SUMMARY.md").read_text(), flags=re.M)
    assert first == "Summary"
    return {name: [str((ROOT / "docs" / link).resolve().relative_to(ROOT)) for link in re.findall(r"\]\(([^)]+)\)", text)]
            for name, text in zip(["", *parts[1::2]], parts[::2], strict=True)}


def test_the_book_has_every_page_once_and_the_groups_of_the_readme():
    groups = listed()
    pages = [page for group in groups.values() for page in group]
    assert sorted(pages) == sorted([*WORDS.documents(), "CHANGELOG.md"])
    rows = re.findall(r"^\| \*\*(\w+)\*\* \| (.*) \|$", (ROOT / "README.md").read_text(), re.M)
    assert len(rows) == 5
    for name, row in rows:
        linked = re.findall(r"\]\(([^)#]+)\)", row)
        assert linked == [page for page in groups[name] if "/decisions/" not in page], name


def test_the_pages_of_the_book_link_to_what_is_in_it(tmp_path):
    subprocess.run([ROOT / "scripts/book", "--stage", tmp_path], check=True, timeout=60)
    (styles,) = re.findall(r'^additional-css = \["(.+)"\]$', (tmp_path / "book.toml").read_text(), re.M)
    assert (tmp_path / styles).is_file()
    pages = sorted((tmp_path / "src").rglob("*.md"))
    assert len(pages) == len(WORDS.documents()) + 2
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose(page)):
            if not re.match(r"[a-z]+:", target):
                assert (page.parent / target).is_file(), f"{page.relative_to(tmp_path)}: the book has no {target}"
