#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every test: unit, differential against Debian's programs, and on real
# kernels in virtual machines. Installs the few Debian packages that they need
# when it may (as root, or with sudo that asks for no password) and says what
# is missing when it may not. Debian's programs, profiles, sources and kernels
# are not installed: tests fetch them by apt into ~/.cache/goarmor, or the
# folder that APPARMOR_TEST_CACHE names, and run them there.
#
#   ./test.sh              everything, in all of the repository's Go modules
#   ./test.sh ./parser     only some packages; arguments go to `go test`
#
# APPARMOR_TEST_REQUIRE=1 turns every test that is skipped for want of a
# package, a kernel or a program into a failure. APPARMOR_TEST_FULL=1 runs
# everything where otherwise a sample is, which takes hours. APPARMOR_CORPUS and
# APPARMOR_TOOLS may name folders of private test data and tools, which add
# tests; nothing is missing without them.
set -euo pipefail
cd "$(dirname "$0")"

packages=(
  qemu-system-x86        # boots the test kernels
  python3                # runs upstream's generators of policy tests
  xz-utils               # unpacks sources
  debian-archive-keyring # checks what is fetched
  make                   # runs upstream's check of its profiles
)

timeout=30m
if [ -n "${APPARMOR_TEST_FULL-}" ]; then
  packages+=(qemu-system-arm) # boots a kernel for arm64
  timeout=24h
fi

missing=()
for p in "${packages[@]}"; do
  if ! dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed'; then
    missing+=("$p")
  fi
done
if [ "${#missing[@]}" -gt 0 ]; then
  as_root=()
  may=yes
  if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n)
    sudo -n true 2>/dev/null || may=no
  fi
  command -v apt-get >/dev/null || may=no
  # Without the network what can run still runs.
  if [ "$may" = yes ] && { "${as_root[@]}" apt-get update -qq || true; } &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; then
    missing=()
  fi
  if [ "${#missing[@]}" -gt 0 ]; then
    echo "test.sh: not installed: ${missing[*]}" >&2
    echo "test.sh: tests that need them are skipped; as root: apt-get install ${missing[*]}" >&2
  fi
fi

if [ "$#" -gt 0 ]; then
  exec go test -timeout "$timeout" "$@"
fi
.ci/modules go vet ./...
.ci/modules go test -timeout "$timeout" ./...
