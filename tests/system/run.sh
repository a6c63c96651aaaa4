#!/usr/bin/env bash
# run.sh [BIN] [NAME...]: all system tests (or those named) against the programs of BIN (default: build/release/bin), on one small world.
# Long: README.md says how long each takes.  Ends with 1 if one of them failed.
set -euo pipefail
cd "$(dirname "$0")"
bin=${1:-../../build/release/bin}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- found_by_use atomic_faults two_writers machine packages interrupts resumes resumes_pruning gallery_kills pipeline compress_report ranks
bin=$(realpath "$bin")
for tool in strace unshare prlimit python3; do
  command -v "$tool" >/dev/null || { echo "system: $tool is not installed; run scripts/setup.sh --system" >&2; exit 2; }
done
export PYTHONDONTWRITEBYTECODE=1
world=$(mktemp -d) && trap 'rm -rf "$world"' EXIT
start=$SECONDS
./fixture.sh "$bin" "$world"
echo "== world: made in $((SECONDS - start)) s"
failed=0
for name in "$@"; do
  start=$SECONDS
  "./$name.py" "$bin" --world "$world" || failed=1
  echo "== $name: $((SECONDS - start)) s"
done
exit $failed
