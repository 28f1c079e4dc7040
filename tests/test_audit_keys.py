"""The commands for the signing key: printed, made, rotated; and a record that says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from askfirst.cli.audit import app
from askfirst.gate import utc_now
from askfirst.ledger.keys import KeyFolder, read_rotations
from askfirst.ledger.notes import Verifier
from askfirst.ports import SettingsError
from askfirst.recording import Recording
from askfirst.wiring import keys_folder, open_record

RUNNER = CliRunner()


def test_a_key_is_made_printed_and_rotated(tmp_path: Path) -> None:
    """The key that is printed is the one that signs; after a rotation it is another, and the note names both."""
    first = RUNNER.invoke(app, ["key", "--keys", str(tmp_path)]).stdout.strip()
    assert Verifier.parse(first) == KeyFolder(tmp_path).current().verifier
    told = RUNNER.invoke(app, ["rotate-key", "--keys", str(tmp_path)])
    assert told.exit_code == 0
    second = RUNNER.invoke(app, ["key", "--keys", str(tmp_path)]).stdout.strip()
    assert told.stdout.splitlines()[:2] == [f"was: {first}", f"is:  {second}"]
    (rotation,) = read_rotations((tmp_path / "rotations.notes").read_bytes())
    assert (rotation.old.vkey, rotation.new.vkey) == (first, second)


def test_a_key_that_others_can_read_stops_the_program_at_start(tmp_path: Path) -> None:
    """A record is not begun with such a key, and nothing is written."""
    KeyFolder(tmp_path / "keys").current()
    (tmp_path / "keys" / "log-key.pem").chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        open_record(tmp_path / "out", run="run", keys=tmp_path / "keys", clock=utc_now)
    assert not (tmp_path / "out").exists()


def test_where_the_key_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ASKFIRST_KEYS comes before the configuration directory, and that before the home directory."""
    monkeypatch.setenv("ASKFIRST_KEYS", str(tmp_path / "named"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert keys_folder() == tmp_path / "named"
    monkeypatch.delenv("ASKFIRST_KEYS")
    assert keys_folder() == tmp_path / "config" / "askfirst"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert keys_folder() == tmp_path / ".config" / "askfirst"


def test_a_record_is_opened_with_the_key(tmp_path: Path) -> None:
    """Opening makes the key, and the record is one of evidence and log."""
    record = open_record(tmp_path / "out", run="run", keys=tmp_path / "keys", clock=utc_now)
    assert isinstance(record, Recording)
    record.close()
    assert (tmp_path / "keys" / "log-key.pem").exists()
