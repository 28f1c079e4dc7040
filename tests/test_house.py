"""The rules of the house, each checked by a machine."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RIGHTS = sorted((ROOT / "askfirst" / "rights").rglob("*.py"))

IMPURE_MODULES = {
    "asyncio", "http", "io", "logging", "os", "pathlib", "random", "redis", "scrapy", "secrets", "shutil", "signal",
    "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time", "twisted", "urllib.request", "uuid",
}  # fmt: skip
IMPURE_CALLS = {"open", "input", "print", "exec", "eval"}
IMPURE_ATTRIBUTES = {"now", "today", "utcnow", "environ", "getenv"}


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", RIGHTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_ground_floor_touches_nothing(path: Path) -> None:
    """No clock, socket, file, environment, randomness, logger, Scrapy or Redis in askfirst/rights."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set(imports(tree))
    assert not {name for name in found if name in IMPURE_MODULES or name.split(".")[0] in IMPURE_MODULES}
    for name in found:
        if name.startswith("askfirst"):
            assert name.startswith("askfirst.rights"), f"{path.name} imports {name}, which stands above it"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name):
                assert called.id not in IMPURE_CALLS, f"{path.name}:{node.lineno} calls {called.id}"
            if isinstance(called, ast.Attribute):
                assert called.attr not in IMPURE_ATTRIBUTES, f"{path.name}:{node.lineno} calls {called.attr}"


def test_no_arrow_goes_up_and_no_edge_knows_another() -> None:
    """The import contracts of pyproject.toml hold."""
    lint = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert lint.returncode == 0, lint.stdout + lint.stderr


def test_one_function_decides() -> None:
    """Only rights/decide.py makes rulings and decisions."""
    for path in sorted((ROOT / "askfirst").rglob("*.py")):
        if path.name in {"decide.py", "record.py"}:  # the second reads back what the first decided
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"Ruling", "Decision"}, f"{path}:{node.lineno} makes a {node.func.id}"


def test_no_module_has_a_name_that_says_nothing() -> None:
    """Modules are named after the thing on the wire or the part of the theory."""
    empty = {"utils", "helpers", "common", "base", "manager", "handler", "data", "info", "misc", "core"}
    modules = [p for top in ("askfirst", "middlewares", "crawler") for p in (ROOT / top).rglob("*.py")]
    assert not [str(path.relative_to(ROOT)) for path in modules if path.stem in empty]


def test_long_modules_say_why_they_are_one_thing() -> None:
    """A module of more than 400 lines has a header that says so."""
    for top in ("askfirst", "middlewares", "crawler"):
        for path in (ROOT / top).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if text.count("\n") > 400:
                header = ast.get_docstring(ast.parse(text)) or ""
                assert "one thing" in header, f"{path.relative_to(ROOT)} has {text.count(chr(10))} lines"


def test_no_exception_is_swallowed() -> None:
    """There is no ``except: pass`` anywhere in the product."""
    for top in ("askfirst", "middlewares", "crawler"):
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ExceptHandler):
                    assert not (len(node.body) == 1 and isinstance(node.body[0], ast.Pass)), f"{path}:{node.lineno}"
                    assert node.type is not None, f"{path}:{node.lineno} catches everything"
