"""ai.txt, beside its cases in tests/cases/ai_txt: any bytes, and the files people publish."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights.model import (
    NOTHING,
    Agent,
    Care,
    Document,
    Intent,
    Kind,
    Observation,
    Purpose,
    Verdict,
)
from askfirst.rights.reader import Target
from askfirst.rights.signals.ai_txt import READER

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
AT = datetime(2026, 11, 24, tzinfo=UTC)
AGENT = Agent(product_token="AskFirstBot", user_agent="AskFirstBot/1.0")
AI_TXT = "https://h.example/ai.txt"


def file(body: bytes, *, status: int = 200, truncated: bool = False) -> Observation:
    document = Document(kind=Kind.WELL_KNOWN, url=AI_TXT)
    return Observation(document=document, status=status, body=body, truncated=truncated, observed_at=AT)


def target(path: str = "/p.jpg", media: str | None = None) -> Target:
    return Target.of(Intent(url=f"https://h.example{path}", agent=AGENT, purpose=Purpose.TRAIN, media=media))


@given(body=st.binary(max_size=400), status=st.sampled_from([200, 200, 206, 404, 500]), cut=st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_bytes_never_raise(body: bytes, status: int, cut: bool) -> None:
    """Whatever the bytes and the status, the reader answers."""
    statement = READER.parse(file(body, status=status, truncated=cut), AGENT)
    assert statement.on(target()).signals is not None


LINES = st.lists(
    st.tuples(
        st.sampled_from(["User-agent", "Allow", "Disallow", "AI-Training", "Disallow-AI", " Training", "Policy", "#"]),
        st.sampled_from([":", " : ", "=", ""]),
        st.one_of(
            st.sampled_from(["*", "*/", "*.jpg", "/", "no", "yes", "jpg", "a=b,c", "*.", "$"]), st.text(max_size=8)
        ),
    ),
    max_size=12,
)


@given(lines=LINES, path=st.text(max_size=12), media=st.sampled_from([None, "image/jpeg", "x"]))
@settings(max_examples=200, deadline=None)
def test_any_lines_never_raise_and_never_permit(
    lines: list[tuple[str, str, str]], path: str, media: str | None
) -> None:
    """An ai.txt can refuse or defer and can never permit; the same question gets the same object again."""
    body = "\n".join("".join(line) for line in lines).encode("utf-8", "replace")
    statement = READER.parse(file(body), AGENT)
    reading = statement.on(target("/" + path, media))
    assert all(signal.verdict is not Verdict.ALLOW for signal in reading.signals)
    assert statement.on(target("/" + path, media)) is reading


def test_silence_is_nothing() -> None:
    """A file that is not there gives the one empty reading."""
    assert READER.parse(file(b"", status=404), AGENT).on(target()) == NOTHING


def test_a_megabyte_of_hostile_lines() -> None:
    """A file as long as may be is read, and matching stays linear."""
    for line in (b"Disallow: /" + b"*a" * 40, b"Disallow: *.", b"User-agent: *", b"train" * 20 + b": no", b"a=b," * 30):
        body = b"User-agent: *\n" + (line + b"\n") * (1_048_000 // (len(line) + 1))
        statement = READER.parse(file(body), AGENT)
        assert statement.on(target("/" + "a" * 2_000)) is statement.on(target("/" + "a" * 2_000))


def _folder(name: str) -> list[Path]:
    folder = CORPUS / name
    if not folder.is_dir():
        pytest.skip(f"the folder of real files is not beside this checkout: {name}")
    return sorted(path for path in folder.iterdir() if path.is_file())


@pytest.mark.corpus
def test_published_spawning_files_are_read() -> None:
    """Every published file of the dialect is parsed, and what it says of a picture is counted."""
    counts: Counter[str] = Counter()
    for path in _folder("aitxt"):
        reading = READER.parse(file(path.read_bytes()), AGENT).on(target())
        words = sorted(f"{s.verdict.word} for {s.care.name.lower()} readers" for s in reading.signals)
        counts[words[0] if words else "nothing"] += 1
    print(f"\naitxt, /p.jpg: {dict(counts)}")
    assert counts["refuse for literal readers"] > 0
    assert counts["nothing"] > 0


@pytest.mark.corpus
def test_other_files_of_that_name_say_nothing() -> None:
    """Another kind of file is remarked and is no signal, but for suspicious readers where a key says no to training."""
    plain: list[str] = []
    for path in _folder("aitxt_other"):
        reading = READER.parse(file(path.read_bytes()), AGENT).on(target())
        assert reading.remarks, path
        assert all("no specification" in s.evidence.spec for s in reading.signals), path
        assert all(s.care is Care.STRICT for s in reading.signals), path
        plain += [f"{path.stem}: {s.evidence.text} [{Care(s.care).name.lower()}]" for s in reading.signals]
    print(f"\naitxt_other: {len(plain)} of {len(_folder('aitxt_other'))} say no\n  " + "\n  ".join(plain))
    assert plain


def test_a_file_of_too_many_lines_counts_as_cut() -> None:
    """What stands behind the last line that is read is not known, and defers; what was read before it refuses."""
    said = READER.parse(file(b"User-agent: *\nDisallow: *.jpg\n" + b"a:\n" * 20_000), AGENT)
    assert [s.verdict for s in said.on(target("/p.png")).signals] == [Verdict.DEFER]
    assert {s.verdict for s in said.on(target("/p.jpg")).signals} == {Verdict.DEFER, Verdict.REFUSE}
