#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A program of Go 1.26.8 that works for some milliseconds on one goroutine has a thread
# of the runtime (sysmon) that wakes all the time: it sleeps 20 us between two looks, 50
# times before it sleeps longer, with GOMAXPROCS=1, too, where there is nothing that it
# could hand over. The slack of its timers would make it sleep longer. A thread can set
# its own by prctl(2), but no code of a program runs on that thread, and Linux takes
# /proc/TID/timerslack_ns for another thread only from who has CAP_SYS_NICE, even if it
# is a thread of the same process, whose memory and signals the writer owns anyway:
# EPERM without. proc_pid_timerslack_ns(5) has the capability, but speaks of other
# processes.
#
# With the capability and a slack of 10 ms, the thread wakes a few times only; a
# program of this project, which ends after 6 ms, took 13 % less processor time.
#
# Takes bash, root, setpriv (util-linux) and go (which fetches the pinned version).
# Seen on Linux 6.18. Exit status 0: as described; 1: changed.
set -euo pipefail
go=go1.26.8
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
chmod 755 "$dir"
cd "$dir"
mkdir program
cat >program/main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// The first thread, which alone is "self", has the main goroutine.
func init() { runtime.LockOSThread() }

// naps is how often a thread has waited.
func naps(thread string) (n int) {
	status, _ := os.ReadFile("/proc/self/task/" + thread + "/status")
	_, after, _ := strings.Cut(string(status), "\nvoluntary_ctxt_switches:")
	fmt.Sscan(after, &n)
	return n
}

func slack(thread string) string {
	if err := os.WriteFile("/proc/"+thread+"/timerslack_ns", []byte("10000000"), 0); err != nil {
		return err.(*os.PathError).Err.Error()
	}
	return "taken"
}

// Prints whose slack is taken, if it is asked for, and how often sysmon naps in 6 ms.
func main() {
	dir, _ := os.Open("/proc/self/task")
	threads, _ := dir.Readdirnames(-1) // in the order of their start
	sysmon := threads[1]
	if len(os.Args) > 1 {
		fmt.Println("own slack:", slack("self"))
		fmt.Println("slack of the other thread:", slack(sysmon))
	}
	before := naps(sysmon)
	for end := time.Now().Add(6 * time.Millisecond); time.Now().Before(end); {
	}
	fmt.Println("naps:", naps(sysmon)-before)
}
GO
printf 'module example.test/program\n\ngo 1.26\n' >program/go.mod
export GOTOOLCHAIN=$go GOMODCACHE=$dir/modules GOCACHE=$dir/build GOFLAGS= CGO_ENABLED=0
(cd program && go version && go build -o ../run .)
uname -r

status=0
# check NAME SLACK NAPS COMMAND...: runs the program some times; what is said of the
# other thread's slack, if it is set, and whether the thread naps often are as given.
# On a busy machine it naps less, so the most of the runs counts.
check() {
  local name=$1 slack=$2 naps=$3 most=0 n got
  shift 3
  for _ in 1 2 3 4 5 6 7 8 9; do
    "$@" >out
    n=$(sed -n 's/^naps: //p' out)
    [ "$n" -le "$most" ] || most=$n
  done
  got=$(sed -n 's/^slack of the other thread: //p' out)
  echo "$name: slack ${got:-not asked for}, at most $most naps"
  [ "$got" = "$slack" ] || status=1
  [ -z "$slack" ] || grep -qx 'own slack: taken' out || status=1
  if [ "$most" -ge 20 ]; then n=many; else n=few; fi
  [ "$n" = "$naps" ] || status=1
}
unpriv=(setpriv --reuid=65534 --regid=65534 --clear-groups)
check "as it is" "" many "$dir/run"
check "GOMAXPROCS=1" "" many env GOMAXPROCS=1 "$dir/run"
check "root" taken few "$dir/run" slack
check "root without CAP_SYS_NICE" "operation not permitted" many setpriv --bounding-set=-sys_nice --inh-caps=-sys_nice "$dir/run" slack
check "nobody" "operation not permitted" many "${unpriv[@]}" "$dir/run" slack
[ "$status" = 0 ] || echo "changed"
exit "$status"
