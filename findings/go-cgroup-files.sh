#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A program of Go 1.26.8 looks for the CPU quota of its cgroup before main, even
# where the result cannot matter: with GOMAXPROCS set, with
# GODEBUG=containermaxprocs=0, and with both and updatemaxprocs=0. Under a
# mandatory access control that is a denial at each start for /proc/PID/cgroup
# and /proc/PID/mountinfo that no setting prevents.
#
# With GOMAXPROCS set and containermaxprocs left at its default, the files of the
# quota stay open until the end, too, so the program's first free descriptor
# depends on whether a file system of cgroups is mounted. Programs that pass
# descriptors by number meet that first.
#
# The documentation of runtime.GOMAXPROCS says that the quota is not taken into
# account then, not that it is not read.
#
# Takes bash, apt, dpkg-deb, go (which fetches the pinned version) and a machine
# that has a cgroup with the CPU controller. Exit status 0: as described;
# 1: changed; 2: no such cgroup.
set -euo pipefail
go=go1.26.8
strace=6.13+ds-1
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
mkdir -p etc lists/partial cache/archives/partial state root program
: >state/status
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/*$')
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >etc/sources.list
cat >apt.conf <<CONF
#clear APT::Update;
Dir::Etc::sourcelist "$dir/etc/sources.list";
Dir::Etc::sourceparts "$dir/etc";
Dir::State "$dir/state";
Dir::State::Lists "$dir/lists";
Dir::State::status "$dir/state/status";
Dir::Cache "$dir/cache";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
CONF
export APT_CONFIG=$dir/apt.conf
apt-get -qq update
apt-get -qq download "strace=$strace" libunwind8 libc6 liblzma5 libgcc-s1
for deb in *.deb; do
  dpkg-deb -x "$deb" root
  echo "package: $(dpkg-deb -f "$deb" Package Version | tr '\n' ' ')"
done
lib=$dir/root/usr/lib/x86_64-linux-gnu

cat >program/main.go <<'GO'
package main

import (
	"fmt"
	"os"
)

// Prints what is open besides the standard files.
func main() {
	for fd := 3; fd < 10; fd++ {
		if name, err := os.Readlink(fmt.Sprint("/proc/self/fd/", fd)); err == nil {
			fmt.Println("open", name)
		}
	}
}
GO
printf 'module example.test/program\n\ngo 1.26\n' >program/go.mod
export GOTOOLCHAIN=$go GOMODCACHE=$dir/modules GOCACHE=$dir/build GOFLAGS= CGO_ENABLED=0
(cd program && go version && go build -o ../run .)

status=0
# check WHAT WANT VARIABLES...: runs the program and compares how often it looks
# at /proc/self/cgroup, and whether files of the quota stay open.
check() {
  local what=$1 want=$2 got
  shift 2
  env "$@" "$lib/ld-linux-x86-64.so.2" --library-path "$lib" "$dir/root/usr/bin/strace" -f -o trace -e trace=openat ./run >out
  got="looks $(grep -c '"/proc/self/cgroup"' trace || true), keeps $(grep -Ec 'cpu\.(max|cfs_)' out || true)"
  got=${got/keeps [12]/keeps some}
  echo "$what: $got"
  [ "$got" = "$want" ] || { echo "  before: $want"; status=1; }
}
env GODEBUG= ./run >out
grep -Eq 'cpu\.(max|cfs_)' out || { echo "this machine has no cgroup with the CPU controller"; exit 2; }
check "GOMAXPROCS=1" "looks 1, keeps some" GODEBUG= GOMAXPROCS=1
check "GOMAXPROCS=1, containermaxprocs=0" "looks 1, keeps 0" GODEBUG=containermaxprocs=0 GOMAXPROCS=1
check "GOMAXPROCS=1, containermaxprocs=0, updatemaxprocs=0" "looks 1, keeps 0" GODEBUG=containermaxprocs=0,updatemaxprocs=0 GOMAXPROCS=1
exit $status
