#!/usr/bin/env bash
# Builds the peers that `make bench` measures into target/peers: build.sh [PEER…]. Without arguments, builds all of them.
# Skips peers that are up to date and peers whose tools this machine does not have.
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

# One bundled file, as is common on Lambda. `npm ci` verifies the hashes in the lock file.
build_node() {
    local peer=benches/peers/node out=target/peers/node
    { command -v node && command -v npm; } >/dev/null || { echo "skipped: this machine has no node with npm"; return 0; }
    local major
    major=$(node --print 'process.versions.node.split(".")[0]')
    ((major >= 20)) || { echo "skipped: the SDK requires node 20 or later, and this is node $major"; return 0; }
    mkdir -p $out
    ln --symbolic --force "$(command -v node)" $out/node
    if [[ ! $out/node_modules/.package-lock.json -nt $peer/package-lock.json ]]; then
        cp $peer/package.json $peer/package-lock.json $out
        npm ci --prefix $out --ignore-scripts --no-audit --no-fund --loglevel error
    fi
    [[ ! $out/index.cjs -nt $peer/index.mjs || ! $out/index.cjs -nt $out/node_modules/.package-lock.json ]] || return 0
    # esbuild looks for packages next to the source file.
    cp $peer/index.mjs $out
    $out/node_modules/.bin/esbuild $out/index.mjs --bundle --minify --platform=node --target=node20 --format=cjs \
        --log-level=warning --outfile=$out/index.cjs
}

build_crate() {
    CARGO_TARGET_DIR=target/peers/$1 cargo build --quiet --locked --release --manifest-path "benches/peers/$1/Cargo.toml"
}

build() {
    case $1 in
        python | node) "build_$1" ;;
        rust-defaults | echo) build_crate "$1" ;;
        *) echo "build.sh: unknown peer: $1" >&2; return 2 ;;
    esac
}

# tools/timed runs a command, so this script runs itself once per peer.
if [[ ${1-} == --untimed ]]; then
    build "$2"
    exit
fi
(($#)) || set -- python rust-defaults echo node
for peer; do
    tools/timed "peer $peer" benches/peers/build.sh --untimed "$peer"
done
