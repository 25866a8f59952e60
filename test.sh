#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every test: unit, differential against Debian's programs, and on real
# kernels in virtual machines. Installs the Debian packages that they need
# when it may (as root, or with sudo that asks for no password) and says what
# is missing when it may not.
#
#   ./test.sh              everything, in all of the repository's Go modules
#   ./test.sh ./parser     only some packages; arguments go to `go test`
#
# APPARMOR_TEST_REQUIRE=1 turns every skipped test into a failure.
set -euo pipefail
cd "$(dirname "$0")"

packages=(
  apparmor                # apparmor_parser, the base of /etc/apparmor.d
  apparmor-profiles       # more profiles
  apparmor-profiles-extra # more profiles
  libvirt-daemon-system   # TEMPLATEs, abstractions, virt-aa-helper
  qemu-system-x86         # boots the test kernels
  python3                 # the second judge of compiled policy
)

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
  if [ "$may" = yes ]; then
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "test.sh: not installed: ${missing[*]}" >&2
    echo "test.sh: tests that need them are skipped; as root: apt-get install ${missing[*]}" >&2
  fi
fi

if [ "$#" -gt 0 ]; then
  exec go test -timeout 30m "$@"
fi
.ci/modules go vet ./...
.ci/modules go test -timeout 30m ./...
