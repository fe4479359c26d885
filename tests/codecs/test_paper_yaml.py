"""shards/paper.yaml is one file: a checkout reads it there, a wheel has it in the package."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "shards" / "paper.yaml"


def test_the_package_of_a_checkout_has_no_copy_or_link():
    assert PAPER.is_file()
    assert not PAPER.is_symlink()
    assert [path.name for path in (ROOT / "streamaug").rglob("*.yaml")] == ["prices.yaml"]  # which is in the package alone


def test_an_installed_wheel_finds_it(tmp_path):
    options = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet", "--wheel-dir", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True)
    [wheel] = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    assert (installed / "streamaug" / "codecs" / "paper.yaml").read_bytes() == PAPER.read_bytes()
    program = f"""
import sys
sys.path.insert(0, {str(installed)!r})
import streamaug
from streamaug.codecs import load_settings
assert streamaug.__file__.startswith({str(installed)!r}), streamaug.__file__
assert "he-aac" in load_settings().codecs
from streamaug.codecs.presets import preset, preset_names
assert preset_names() == ("paper", "asvspoof5", "broadcast", "call", "le-audio")
assert len(preset("call")) > 10
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
