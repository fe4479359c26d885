"""The versions that a run records."""

from importlib import metadata

from train import versions


def test_a_library_that_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(versions, "LIBRARIES", ("numpy", "no-such-library"))
    recorded = versions.versions()
    assert set(recorded) == {"python", "machine", "numpy", "decoders"}
    assert recorded["numpy"] == metadata.version("numpy")
    assert recorded["decoders"].startswith(f"av {metadata.version('av')}, ")
