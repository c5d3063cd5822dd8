#!/usr/bin/env bash
# The one door: sets up what is missing in .venv, then does what it is asked. See `./build.sh help`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

help() {
  cat <<'EOF'
./build.sh WORD [ARGUMENTS]
  setup         make .venv and install Hapta in it
  serve         set up if needed and run `hapta serve` (arguments are passed on)
  hapta         run any hapta command: ./build.sh hapta doctor
  test          check, then run the tests; --all adds the full matrix; further arguments go to pytest, and then
                only what they name runs
  check         formatting, lint, types, layers, rendered files
  fix           put formatting and simple lint right, render config.toml and docs/configuration.md
  bench         measure Hapta beside its peers (needs wrk; nginx, Varnish, HAProxy where they are installed);
                --quick: before and after a change, in two minutes; arguments go to `python -m bench`
  docs          render and check the documentation
  dist          build the wheel into dist/
without a word: the same as test
EOF
}

say() { printf '%s\n' "build.sh: $*" >&2; }

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s' "$candidate"
      return
    fi
  done
  say "no Python 3.11 or newer found; install one (Debian: apt-get install python3 python3-venv, macOS: brew install python)"
  exit 2
}

# install WHAT: `base` for running Hapta, `dev` for working on it; done again when pyproject.toml changed
install() {
  local stamp=".venv/installed-$1" python wanted
  wanted=$(cksum <pyproject.toml)
  if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    return
  fi
  if [ ! -x .venv/bin/python ]; then
    python=$(find_python)
    say "making .venv with $("$python" --version)"
    if ! "$python" -m venv .venv; then
      rm -rf .venv
      say "this Python cannot make virtual environments; on Debian: apt-get install python3-venv"
      exit 2
    fi
  fi
  say "installing Hapta ($1)"
  local extra=""
  [ "$1" = dev ] && extra="[dev]"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".$extra"
  printf '%s' "$wanted" >"$stamp"
  [ "$1" = dev ] && printf '%s' "$wanted" >.venv/installed-base
  return 0
}

check() {
  install dev
  .venv/bin/ruff format --check .
  .venv/bin/ruff check .
  .venv/bin/mypy
  .venv/bin/mypy plugins/examples/*.py
  .venv/bin/lint-imports
  .venv/bin/python -m hapta.config.reference --check
}

has_node() {
  command -v npm >/dev/null 2>&1 && command -v node >/dev/null 2>&1 \
    && node -e 'process.exit(+process.versions.node.split(".")[0] >= 20 ? 0 : 1)'
}

# the tests of the JavaScript SDK run on Node.js
need_node() {
  has_node && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing Node.js"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nodejs npm >/dev/null
  fi
  has_node && return
  say "the SDK tests need Node.js 20 or newer with npm (Debian: apt-get install nodejs npm, macOS: brew install node)"
  exit 2
}

run_tests() {
  install dev
  if [ $# -eq 0 ] || [ "$*" = --all ]; then check; fi
  need_node
  local marks=(-m "not all_modes")
  if [ "${1:-}" = --all ]; then
    shift
    marks=()
  fi
  # most of a test's time is waiting; a file stays with one process, and what is named runs as it is named
  local beside=()
  if [ $# -eq 0 ]; then beside=(-n 2 --dist loadfile); fi
  if .venv/bin/python -m pytest ${beside[@]+"${beside[@]}"} ${marks[@]+"${marks[@]}"} "$@"; then return; fi
  if [ -z "${CI:-}" ] || [ $# -gt 0 ]; then return 1; fi
  # on a shared machine a deadline can be missed through no fault of the code: what fails twice has failed
  say "once more, only what failed; each of these is to be looked at, whatever comes out"
  .venv/bin/python -m pytest --last-failed ${marks[@]+"${marks[@]}"}
}

word="${1:-}"
[ $# -gt 0 ] && shift
case "$word" in
  setup) install base && say "done; ./build.sh serve runs it" ;;
  serve) install base && exec .venv/bin/hapta serve "$@" ;;
  hapta) install base && exec .venv/bin/hapta "$@" ;;
  "" | test) run_tests "$@" ;;
  check) check ;;
  fix)
    install dev
    .venv/bin/ruff check --fix .
    .venv/bin/ruff format .
    .venv/bin/python -m hapta.config.reference
    ;;
  bench) install dev && exec .venv/bin/python -m bench "$@" ;;
  docs)
    install dev
    .venv/bin/python -m hapta.config.reference
    .venv/bin/python -m pytest -q tests/test_docs.py
    ;;
  dist) install dev && .venv/bin/python -m pip wheel --quiet --no-deps --wheel-dir dist . ;;
  help | -h | --help) help ;;
  *)
    say "unknown word: $word"
    help >&2
    exit 2
    ;;
esac
