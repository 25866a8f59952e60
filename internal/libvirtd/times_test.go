// SPDX-License-Identifier: Apache-2.0

//go:build linux

package libvirtd

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// sum is what a command took, in the sum of count times.
type sum struct {
	wall, cpu time.Duration
	count     int
}

// startCalls and attachCalls are how often libvirtd 11.3 calls its helper when it
// starts the machine of TestTimes, and when it attaches a disk with one file
// below it; the recordings of TestLibvirtd have them.
const (
	startReplace, startAppend = 1, 4
	attachAppend              = 2
)

// TestTimes prints how long virsh takes to start a machine and to attach a disk
// with each helper, how much of that is the helper's, and what processor time the
// helper takes alone with all that it runs. The clock counts instructions, so
// that the table is nearly the same on every machine.
func TestTimes(t *testing.T) {
	for _, suite := range suites(t) {
		t.Run(suite, func(t *testing.T) {
			d := openDisk(t, suite)
			r := d.run(t, "times", buildHelper(t), scenarioTime)
			keep(t, d, "times", r)
			// libvirtd runs the helper itself here, and not a script that records it.
			if strings.Contains(r.output, " failed: ") {
				t.Error("a command failed")
			}
			sums := map[string]sum{}
			for _, line := range r.times {
				var name string
				var wall, cpu int
				if _, err := fmt.Sscanf(line, "%s %d %d", &name, &wall, &cpu); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				s := sums[name]
				sums[name] = sum{s.wall + time.Duration(wall)*time.Millisecond, s.cpu + time.Duration(cpu)*time.Millisecond, s.count + 1}
			}
			mean := func(how, what string) (wall, cpu time.Duration) {
				s := sums[how+"-"+what]
				if s.count < 5 {
					t.Fatalf("%s-%s: %d times", how, what, s.count)
				}
				return s.wall / time.Duration(s.count), s.cpu / time.Duration(s.count)
			}
			var table strings.Builder
			fmt.Fprintf(&table, "libvirt %s, kernel %s, millions of instructions\n", d.versions["libvirt-daemon-system"], d.versions["kernel"])
			for _, what := range []string{"create", "append", "replace", "unload"} {
				_, theirs := mean("libvirt", what)
				_, ours := mean("own", what)
				fmt.Fprintf(&table, "| helper: %s | %d | %d | %.1f |\n", what, theirs.Milliseconds(), ours.Milliseconds(), float64(theirs)/float64(ours))
			}
			for _, what := range []struct {
				name            string
				replace, append int
			}{{"start", startReplace, startAppend}, {"attach", 0, attachAppend}} {
				var walls, shares [2]time.Duration
				for i, how := range []string{"libvirt", "own"} {
					walls[i], _ = mean(how, what.name)
					replace, _ := mean(how, "replace")
					one, _ := mean(how, "append")
					shares[i] = time.Duration(int64(what.replace)*int64(replace) + int64(what.append)*int64(one))
				}
				fmt.Fprintf(&table, "| virsh %s | %d | %d | %.1f |\n| of it policy | %d | %d | |\n", what.name, walls[0].Milliseconds(), walls[1].Milliseconds(),
					float64(walls[0])/float64(walls[1]), 100*shares[0]/walls[0], 100*shares[1]/walls[1])
			}
			t.Log(table.String())
		})
	}
}
