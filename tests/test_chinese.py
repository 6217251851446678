"""The Chinese texts: one for each English text, made from it as it is today, with the same code, tags and numbers."""

import hashlib
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
LESSONS = sorted(f"lessons/{path.name}" for path in (ROOT / "lessons").glob("[0-9][0-9]_*.py"))
CHINESE = {"README.md": "README.zh-CN.md"}
CHINESE |= {lesson: lesson.replace("lessons/", "lessons/zh-CN/").replace(".py", ".md") for lesson in LESSONS}
CODE = r"`[^`\n]+`"
NUMBER = r"\d+(?:[.,]\d+)*"


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def introduction_and_look(lesson):
    """What a lesson's Chinese file says: the text at its head, and its "Look", without the code that may be in it."""
    first, *others = re.findall(r"^# %% \[markdown\]\n(.*?)(?=^# %%|\Z)", read(lesson), re.MULTILINE | re.DOTALL)
    text = re.sub(r"^# ?", "", "".join(others), flags=re.MULTILINE)
    (look,) = re.findall(r"^## (?:Step \d: l|L)ook\n(.*?)^## Exercises", text, re.MULTILINE | re.DOTALL)
    return first, look


def without_blocks(text):
    """Without fenced code, and each paragraph on one line."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<=\S)\n(?=[^\s|#-])", " ", text)


def rows(text):
    return re.findall(r"^\|.*\|$", text, re.MULTILINE)


def test_one_for_each():
    there = [*ROOT.glob("README.*.md"), *(ROOT / "lessons" / "zh-CN").iterdir()]
    assert sorted(path.relative_to(ROOT).as_posix() for path in there) == sorted(CHINESE.values())


@pytest.mark.parametrize("english", CHINESE)
def test_made_from_the_english_of_today(english):
    text = read(english) if english == "README.md" else "".join(introduction_and_look(english))
    current = hashlib.sha256(text.encode()).hexdigest()
    first_line = read(CHINESE[english]).partition("\n")[0]
    assert first_line == f"<!-- made from {english}, sha256 {current} -->", (
        f"{english} has changed: look at {CHINESE[english]} again, "
        f"and once it says the same, put {current} in its first line"
    )


@pytest.mark.parametrize("english", CHINESE)
def test_links(english):
    """All lead somewhere, and one of them to the English."""
    chinese = ROOT / CHINESE[english]
    links = [chinese.parent / link for link in re.findall(r"\]\((?!https?:)([^)#]+)", read(CHINESE[english]))]
    for link in links:
        assert link.exists(), link
    assert ROOT / english in [link.resolve() for link in links]


def test_readme_has_the_same_code():
    blocks = [
        [re.sub(r" *#.*", "", block) for block in re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL)]
        for text in (read("README.md"), read("README.zh-CN.md"))
    ]
    assert blocks[0] == blocks[1]


def test_readme_has_the_same_parts():
    """The same headings and rows, in these the same code and numbers; and no inline code is missing elsewhere."""
    english, chinese = without_blocks(read("README.md")), without_blocks(read("README.zh-CN.md"))
    headings = [re.findall(r"^#+ ", text, re.MULTILINE) for text in (english, chinese)]
    assert headings[0] == headings[1]
    assert len(rows(english)) == len(rows(chinese))
    for ours, theirs in zip(rows(english), rows(chinese), strict=True):
        assert set(re.findall(f"{CODE}|{NUMBER}", ours)) <= set(re.findall(f"{CODE}|{NUMBER}", theirs)), theirs
    assert set(re.findall(CODE, english)) == set(re.findall(CODE, chinese))


@pytest.mark.parametrize("lesson", LESSONS)
def test_lesson_has_the_same_tags_and_numbers(lesson):
    """Tags, tabs and whatever else TensorBoard shows is in English there, as it is on the screen."""
    introduction, look = (" ".join(part.split()) for part in introduction_and_look(lesson))
    chinese = read(CHINESE[lesson]).partition("\n")[2]
    assert chinese.count("\n- **") == look.count("- **")
    for name in re.findall(rf"{CODE}|\*+[^*]+\*+", look):
        assert name in chinese, name
    assert set(re.findall(NUMBER, introduction + look)) <= set(re.findall(NUMBER, chinese))


def test_words():
    """The glossary says the same in both files, and its words are those of the lessons."""
    english, chinese = (
        [row.strip("| ").split(" | ") for row in rows(read(name).partition(heading)[2])][2:]
        for name, heading in (
            ("README.md", "## Words, in English and Chinese\n"),
            ("README.zh-CN.md", "## 中英词汇对照\n"),
        )
    )
    assert len(english) > 30
    assert [[ours, word, meaning] for word, ours, _, meaning in english] == chinese
    lessons = "".join(map(read, LESSONS)).lower()
    for row in english:
        for word in row[0].split(", "):
            assert re.search(rf"\b{word}s?\b", lessons), word
