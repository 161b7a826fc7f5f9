#!/usr/bin/env python3
"""The tests that documents cite are there: files, functions, and for each requirement of docs/seeds.md
one of the files of its row that names it. Prints one line for each that is not; exit status 1 then.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
QUOTED = re.compile(r"`([^`\n]+)`")
REQUIREMENT = re.compile(r"\b\d{3}-M\d+\b")


def functions():
    """And the names of their files, which stand for all that are in them."""
    found = set()
    for path in TESTS.rglob("*.py"):
        found |= {path.stem, *re.findall(r"^def (test_\w+)", path.read_text(), re.M)}
    return found


def path_of(word):
    """The file or folder that is meant, by its whole path or as beside others; None: no such words."""
    if word.startswith("tests/"):
        return ROOT / word
    if re.fullmatch(r"seed_\d{3}", word):
        return TESTS / "scenarios" / word
    if re.fullmatch(r"test_\w+\.(py|c)", word):
        return next(TESTS.rglob(word), TESTS / word)
    return None


def check_words(name, text, known):
    for word in QUOTED.findall(text):
        path = path_of(word.split("::")[0])
        if path is not None and not list(path.parent.glob(path.name)):
            yield f"docs/{name}: there is no {word}"
        if path is None and re.fullmatch(r"test_\w+", word) and word not in known:
            yield f"docs/{name}: there is no test {word}"


def texts(path):
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    return [p.read_text(errors="replace") for p in files if p.is_file()]


def check_seeds(text):
    for line in text.splitlines():
        cells = [c.strip() for c in line.split("|")[1:-1]]
        if len(cells) != 3 or not REQUIREMENT.search(cells[0]) or "wait" in cells[2]:
            continue
        paths = [p for p in map(path_of, QUOTED.findall(cells[2])) if p is not None]
        held = "\n".join(t for p in paths for t in texts(p))
        for requirement in REQUIREMENT.findall(cells[0]):
            if not re.search(requirement + r"\b", held):
                yield f"docs/seeds.md: no test of {requirement} says so"


def main():
    known = functions()
    bad = []
    for path in sorted((ROOT / "docs").glob("*.md")):
        bad += check_words(path.name, path.read_text(), known)
    bad += check_seeds((ROOT / "docs" / "seeds.md").read_text())
    print("\n".join(bad))
    print(f"cited tests: {len(bad)} missing")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
