#!/usr/bin/env bash
# The work of action.yml: fetch one archive, verify it, unpack it, put its programs on PATH.
set -euo pipefail

fail() {
    echo "::error::$*"
    exit 1
}

version=${VERSION:-${ACTION_REF:-}}
version=${version#v}
case $version in
[0-9]*.[0-9]*.[0-9]*) ;;
*) fail "which release? This action is used at '${ACTION_REF:-}', which is no version: say with: version: 0.1.0" ;;
esac
case $version in
*[!0-9A-Za-z.+-]*) fail "'$version' is no version" ;;
esac

case $(uname -s)-$(uname -m) in
Linux-x86_64) target=x86_64-unknown-linux-musl ;;
Linux-aarch64 | Linux-arm64) target=aarch64-unknown-linux-musl ;;
Darwin-x86_64) target=x86_64-apple-darwin ;;
Darwin-arm64) target=aarch64-apple-darwin ;;
*) fail "there is no archive for $(uname -s) on $(uname -m): build it from source, cargo xtask install" ;;
esac

name=deployment-coordination-$version-$target
from=${BASE_URL:-${GITHUB_SERVER_URL:-https://github.com}/${ACTION_REPOSITORY:-}/releases/download/v$version}
folder=${RUNNER_TOOL_CACHE:-$HOME/.local/share}/deployment-coordination
mkdir -p "$folder"
work=$(mktemp -d "$folder/.fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT

fetch() {
    curl --fail --silent --show-error --location --retry 3 --connect-timeout 20 --max-time 300 \
        --proto '=https,file' --proto-redir '=https' --output "$work/$1" "$from/$1" ||
        fail "$from/$1 cannot be fetched: is there a release $version?"
}

fetch "$name.tar.gz"
if [ -n "${SHA256:-}" ]; then
    expected=$SHA256
else
    fetch "$name.tar.gz.sha256"
    read -r expected _ <"$work/$name.tar.gz.sha256"
fi
if command -v sha256sum >/dev/null; then
    actual=$(sha256sum "$work/$name.tar.gz")
else
    actual=$(shasum -a 256 "$work/$name.tar.gz")
fi
actual=${actual%% *}
# Nothing of it has been unpacked yet.
[ "$actual" = "$expected" ] || fail "$name.tar.gz is not what it should be: its SHA-256 is $actual, not $expected"

tar -xzf "$work/$name.tar.gz" -C "$work"
rm -rf "${folder:?}/$name"
mv "$work/$name" "$folder/$name"

if [ -n "${SHIMS:-}" ]; then
    mkdir -p "$SHIMS"
    for shim in "$folder/$name"/shims/*.sh; do
        old=$SHIMS/${shim##*/}
        # What is there and is no shim is the script that it replaces.
        if [ -f "$old" ] && ! grep -q 'Written by `cargo xtask install --shims`' "$old"; then
            mv "$old" "$old.replaced"
        fi
        cp "$shim" "$old"
    done
fi

echo "$folder/$name/bin" >>"$GITHUB_PATH"
echo "bin=$folder/$name/bin" >>"$GITHUB_OUTPUT"
"$folder/$name/bin/deployment-coordinator" --version
