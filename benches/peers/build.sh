#!/usr/bin/env bash
# Builds the peers that `make bench` measures into target/peers. Skips Python if it is up to date or this machine has no venv.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# A virtual environment without setuptools, which adds a hook to every start that Lambda's Python runtime does not have.
build_python() {
    local peer=benches/peers/python venv=target/peers/python/venv
    ! cmp --silent $peer/requirements.txt $venv/requirements.txt || return 0
    local python=${PYTHON:-python3}
    "$python" -c 'import ensurepip, venv' 2>/dev/null || { echo "skipped: this machine has no $python with venv and pip"; return 0; }
    "$python" -m venv --clear $venv
    $venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement $peer/requirements.txt
    $venv/bin/python -m pip uninstall --quiet --yes setuptools
    cp $peer/requirements.txt $venv/requirements.txt
}

build_rust() {
    local target=target/peers/rust-defaults
    if [[ ! -e $target/release/rust-defaults ]]; then
        echo 'The first build of stock Rust takes about 9 minutes on 2 idle cores. It compiles every crate again, because stock'
        echo 'means default features and the default release profile, and this function has neither. Later runs reuse it.'
    fi
    CARGO_TARGET_DIR=$target cargo build --quiet --locked --release --manifest-path benches/peers/rust-defaults/Cargo.toml
}

# tools/timed runs a command, so this script runs itself once per peer.
case ${1-} in
    python) build_python ;;
    rust) build_rust ;;
    '')
        tools/timed 'peer Python' benches/peers/build.sh python
        tools/timed 'peer stock Rust' benches/peers/build.sh rust
        ;;
    *)
        echo "build.sh: unknown peer: $1" >&2
        exit 2
        ;;
esac
