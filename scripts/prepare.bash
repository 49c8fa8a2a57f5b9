# Shell functions that scripts/run, scripts/test and scripts/bench share. Sourced, with the project's root as the
# working directory. They install what is missing, say so first, and start or stop no service.

say() {
  if [ -t 2 ]; then printf '\033[1m== %s\033[0m\n' "$*" >&2; else printf '== %s\n' "$*" >&2; fi
}

# find_python: prints the first Python ≥ 3.11 that can make a virtual environment.
find_python() {
  local python
  for python in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
    [ -n "$python" ] || continue
    if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      command -v "$python"
      return 0
    fi
  done
  return 1
}

# make_venv EXTRAS: .venv holds the project in editable form with these extras, and is renewed when they change.
make_venv() {
  local python stamp wanted
  wanted="$1 $(cat pyproject.toml hatch_build.py 2>/dev/null | cksum)"
  stamp=".venv/.installed-$1"
  [ -x .venv/bin/python ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return 0
  if [ ! -x .venv/bin/python ]; then
    if ! python="$(find_python)"; then
      apt_install python3-venv || true
      python="$(find_python)" || { say "Python 3.11 or newer with venv is needed (Debian, Ubuntu: python3-venv)"; exit 1; }
    fi
    say "making .venv with $("$python" --version)"
    "$python" -m venv .venv
  fi
  say "installing alloytrio and its dependencies ($1) into .venv"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".[$1]"
  printf '%s' "$wanted" >"$stamp"
}

# apt_install PACKAGE...: installs Debian packages without starting any service. Fails if it cannot.
apt_install() {
  if ! command -v apt-get >/dev/null; then say "no apt-get here, so not installed: $*"; return 1; fi
  if [ "$(id -u)" != 0 ]; then say "not root, so not installed: $*"; return 1; fi
  say "installing Debian packages: $*"
  local policy="${POLICY:-/usr/sbin/policy-rc.d}" ours=no done=0
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && ours=yes  # 101: no service may be started
  fi
  apt_quietly update && apt_quietly install -y --no-install-recommends "$@" || done=$?
  if [ "$ours" = yes ]; then rm -f "$policy"; fi
  if [ "$done" != 0 ]; then say "could not install: $*"; fi
  return "$done"
}

apt_quietly() {
  local log
  log="$(mktemp)"
  if ! DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" </dev/null >"$log" 2>&1; then
    tail -5 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# need COMMANDS PACKAGES TESTS: installs the packages unless one of the commands is there; says what is left out if it
# cannot.
need() {
  local command
  for command in $1; do
    if PATH="$PATH:${SYSTEM_FOLDERS:-/usr/sbin:/sbin:/usr/local/sbin}" command -v "$command" >/dev/null; then return 0; fi
  done
  # shellcheck disable=SC2086  # a list of packages
  apt_install $2 || say "left out: $3 (needs one of: $1)"
}
