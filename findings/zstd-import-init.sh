#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A Go program that imports github.com/klauspost/compress/zstd 1.20.4, be it for the
# decoder alone, makes the tables of a CRC before main, in each process: the package
# internal/snapref, which zstd needs only to convert from Snappy, has crc32.MakeTable
# of Castagnoli's polynomial in a variable. With Go 1.26.8 on amd64 that is 9216 bytes
# in 3 allocations, and it runs a CRC over some 1.5 MB to fill the tables of the
# SSE 4.2 form: 0.1 to 0.2 ms, as much as all other packages of such a program take together.
# A command that runs for 2 ms notices; nothing that the program does can prevent it,
# and the linker keeps it although no function of the package is called.
#
# The package github.com/klauspost/compress/s2 1.20.4, which makes the same CRC,
# is asked too.
#
# Takes bash and go (which fetches the pinned versions), on amd64. The times are printed
# and not compared. Exit status 0: as described; 1: changed.
set -euo pipefail
go=go1.26.8
compress=v1.20.4
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
export GOTOOLCHAIN=$go GOMODCACHE=$dir/modules GOCACHE=$dir/build GOFLAGS=-mod=mod CGO_ENABLED=0 GOOS=linux GOARCH=amd64

# program PACKAGE CODE: a program that imports the package and prints what the code
# says.
program() {
  mkdir "$1"
  cat >"$1/main.go" <<GO
package main

import (
	"fmt"

	"github.com/klauspost/compress/$1"
)

func main() { fmt.Println($2) }
GO
}
cat >go.mod <<MOD
module example.test/program

go 1.26

require github.com/klauspost/compress $compress
MOD
program zstd 'zstd.HeaderMaxSize'
program s2 's2.MaxEncodedLen(1)'
go version
for p in zstd s2; do
  go build -o "run-$p" "./$p"
  GODEBUG=inittrace=1 "./run-$p" 2>&1 >/dev/null | grep '^init ' >"$p.trace"
done
status=0
echo "zstd: $(grep snapref zstd.trace || echo 'no snapref')"
echo "s2: $(grep 'klauspost/compress/s2 ' s2.trace || echo 'nothing before main')"
awk '{ t = $5; if ($2 ~ /snapref/) own = t; else if ($2 != "runtime") rest += t } END { print "snapref " own " ms, the other packages " rest " ms" }' zstd.trace
grep -q 'klauspost/compress/internal/snapref .* 9216 bytes, 3 allocs' zstd.trace || { echo "  before: 9216 bytes, 3 allocs"; status=1; }
exit $status
