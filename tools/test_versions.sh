#!/usr/bin/env bash
# Test the wheel with other releases of torch: pip leaves them alone, and the README's example runs.
#
#     bash tools/test_versions.sh [RELEASE ...]
#
# RELEASE: of torch, such as 2.9.1 or 2.13.0+cpu, or "newest". Default: the oldest that pyproject.toml
# allows, and the newest that pip finds. Each gets an environment of its own in build/versions (a few
# minutes and gigabytes, since the ordinary wheels bring CUDA), which is kept for the next time.
# PYTHON: the interpreter. Default: python3.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$PWD/build/versions
releases=("$@")
[ ${#releases[@]} -gt 0 ] || releases=(2.9.1 newest)

mkdir -p "$work"
rm -rf "$work/wheel" "$work/checkout"
"${PYTHON:-python3}" -m pip wheel --quiet --no-deps --wheel-dir "$work/wheel" .
# A copy of the tests away from the sources, so that they import the wheel.
mkdir "$work/checkout"
cp -r tests README.md "$work/checkout"
tests=(
    tests/packaging/test_readme.py::test_the_python_example_runs_on_a_small_store
    tests/streaming/test_stream.py
    tests/features
)

for release in "${releases[@]}"; do
    folder=$work/torch-$release
    python=$folder/bin/python
    [ "$release" = newest ] && wanted=torch || wanted="torch==$release"
    [ -x "$python" ] || "${PYTHON:-python3}" -m venv "$folder"
    "$python" -m pip install --quiet "$wanted"
    before=$("$python" -m pip freeze | grep -i '^torch==')
    "$python" -m pip install --quiet --force-reinstall --no-deps "$work"/wheel/*.whl
    "$python" -m pip install --quiet "$work"/wheel/*.whl
    after=$("$python" -m pip freeze | grep -i '^torch==')
    if [ "$before" != "$after" ]; then
        echo "FAILED: installing the wheel replaced $before with $after" >&2
        exit 1
    fi
    "$python" -m pip install --quiet hatchling hypothesis librosa packaging pytest
    # The library never imports torchaudio, whose wheels load only with the torch and CUDA that they
    # were built for.
    chosen=("${tests[@]}")
    "$python" -c 'import torchaudio' 2>"$work/torchaudio.log" ||
        "$python" -m pip install --quiet --no-deps "torchaudio==${release%+*}" 2>"$work/pip.log" || true
    if ! "$python" -c 'import torchaudio' 2>"$work/torchaudio.log"; then
        echo "torchaudio does not load with $after, so its transforms are not tested: $(grep -m1 OSError "$work/torchaudio.log")"
        chosen=("${tests[@]:0:2}")
    fi
    (cd "$work" && "$python" - <<'END'
from importlib.metadata import version

import streamaug

names = ("torch", "torchaudio", "numpy", "av", "pyarrow")
print(f"streamaug {streamaug.__version__} in {streamaug.__path__[0]};", ", ".join(f"{name} {version(name)}" for name in names))
END
    )
    (cd "$work/checkout" && "$python" -m pytest -q "${chosen[@]}")
    echo "PASSED: $after was left alone, and the README's example runs"
done
