// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
)

// checkAccess asks the kernel what it makes of loaded profiles and compares
// that with a walk of their automata, for n strings and more of each class
// that a profile mediates: paths through the automata, which end in states
// chosen at random, and mutations of these strings. For files there are
// further strings by profile.
func checkAccess(t *testing.T, k *loader.Kernel, profiles []*blob.Profile, paths map[string][]string, n int) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	var j judge
	for _, p := range profiles {
		if p.EffectiveMode() == blob.Unconfined {
			continue // which allows everything, whatever the automata say
		}
		for class := blob.ClassFile; class <= blob.ClassDBus; class++ {
			if class != blob.ClassFile && !p.Mediates(class) && rnd.IntN(20) != 0 {
				continue // all answer alike: some are enough
			}
			ins := inputs(p, class, n, rnd)
			if class == blob.ClassFile {
				for _, path := range paths[p.Name] {
					ins = append(ins, []byte(path), mutate([]byte(path), rnd))
				}
			}
			for _, in := range ins {
				j.ask(t, k, p, class, in)
			}
		}
	}
	t.Logf("%d profiles; granted of asked:%v", len(profiles), &j)
}

// judge compares the kernel's answers with ours, and counts them.
type judge struct {
	asked, granted [blob.ClassDBus + 1]int
	wrong          int
}

// String lists what was granted of what was asked, by class.
func (j *judge) String() string {
	var b strings.Builder
	for class, n := range j.asked {
		if n > 0 {
			fmt.Fprintf(&b, " %v %d/%d", blob.Class(class), j.granted[class], n)
		}
	}
	return b.String()
}

// ask asks the kernel what it makes of one string, and compares that with what
// our walk makes of it; about files twice, as the owner of the file and as
// somebody else.
func (j *judge) ask(t *testing.T, k *loader.Kernel, p *blob.Profile, class blob.Class, in []byte) {
	t.Helper()
	j.askAs(t, k, p, class, in, true)
	// Where the policydb decides files, 6.12 answers others with what belongs
	// to the next state, which no path comes to.
	if class == blob.ClassFile && (p.File != nil || !guest.Since(6, 12) || guest.Since(7, 2)) {
		j.askAs(t, k, p, class, in, false)
	}
}

func (j *judge) askAs(t *testing.T, k *loader.Kernel, p *blob.Profile, class blob.Class, in []byte, owner bool) {
	t.Helper()
	got, err := queryAs(t, k, fullName(p), class, in, owner)
	if err != nil {
		t.Fatalf("%s: %v %q: %v", p.Name, class, in, err)
	}
	want := answer(p, class, in, owner)
	if class != blob.ClassFile {
		// Which states have the lock bit, that nothing asks for in these
		// classes, depends on the kernel.
		got.Allow |= blob.PermLock
		want.Allow |= blob.PermLock
	}
	if got != want {
		t.Errorf("%s: %v %q, owner %v:\nkernel %+v\nours   %+v", p.Name, class, in, owner, got, want)
		if j.wrong++; j.wrong == 20 {
			t.Fatal("20 answers differ; the others are left out")
		}
	}
	if want == unmediated {
		return
	}
	j.asked[class]++
	if want.Allow&^(blob.PermGetattr|blob.PermLock) != 0 {
		j.granted[class]++
	}
}

// queryAs asks the kernel. It takes files to be the asker's own when root
// asks.
func queryAs(t *testing.T, k *loader.Kernel, label string, class blob.Class, in []byte, owner bool) (loader.Permissions, error) {
	t.Helper()
	if owner {
		return k.Query(t.Context(), label, class, in)
	}
	runtime.LockOSThread() // which alone asks as somebody else
	defer runtime.UnlockOSThread()
	const nobody = 65534
	if err := unix.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setfsuid(0); err != nil {
			t.Error(err)
		}
	}()
	return k.Query(t.Context(), label, class, in)
}

// fullName returns the name with the namespace.
func fullName(p *blob.Profile) string {
	if p.Namespace == "" {
		return p.Name
	}
	return ":" + p.Namespace + ":" + p.Name
}

// unmediated is the kernel's answer for a class that the profile has nothing
// on.
var unmediated = loader.Permissions{Allow: ^uint32(0), Quiet: ^uint32(0)}

// kernelPolicy returns the policy that a profile was loaded from, as the kernel
// shows it in its own files.
func kernelPolicy(t *testing.T, profile string) *blob.Policy {
	t.Helper()
	names, err := filepath.Glob("/sys/kernel/security/apparmor/policy/profiles/" + profile + ".*/raw_data")
	if err != nil || len(names) != 1 {
		t.Fatalf("files of %s: %q, %v", profile, names, err)
	}
	data, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	p, err := blob.Inspect(data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// answer is what the kernel is expected to say. The owner's part is for files.
func answer(p *blob.Profile, class blob.Class, in []byte, owner bool) loader.Permissions {
	var e blob.Effective
	if class == blob.ClassFile {
		db, start := p.FileDB()
		if db == nil {
			return loader.Permissions{}
		}
		if p.File == nil && !guest.Since(6, 12) {
			// Which takes the policydb that decides files for an automaton
			// made for files. Later kernels translate it as a policydb.
			q := *p
			q.File = p.Policydb
			p = &q
		}
		if s := db.DFA.Match(start, in); s != blob.TrapState {
			e = p.FilePerms(s, owner)
		}
	} else {
		// Message buses are not mediated by policy that does not know of the
		// newer network class.
		if !p.Mediates(class) || class == blob.ClassDBus && !guest.Ubuntu() && !p.Mediates(blob.ClassNetV9) {
			return unmediated
		}
		if s := p.Policydb.DFA.Match(p.ClassState(class), in); s != blob.TrapState {
			e = p.PolicydbPerms(s)
		}
	}
	if p.Audit {
		e.Audit = ^uint32(0)
	}
	return loader.Permissions{Allow: e.Allow &^ e.Deny, Deny: e.Deny, Audit: e.Audit & e.Allow, Quiet: e.Quiet &^ e.Allow}
}

// inputs returns strings for a class of a profile.
func inputs(p *blob.Profile, class blob.Class, n int, rnd *rand.Rand) [][]byte {
	var dfa *blob.DFA
	var start uint32
	if class == blob.ClassFile {
		db, s := p.FileDB()
		if db == nil {
			return [][]byte{nil, []byte("/")}
		}
		dfa, start = db.DFA, s
	} else {
		if !p.Mediates(class) {
			return [][]byte{nil, []byte("x")}
		}
		dfa, start = p.Policydb.DFA, p.ClassState(class)
	}
	found := witnesses(dfa, start, rnd)
	rnd.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	if class == blob.ClassFile {
		// Few states of so many grant something: half of the strings are theirs.
		granting, others := found[:0:0], found[:0:0]
		for _, in := range found {
			if answer(p, class, in, len(granting)%2 == 0).Allow&^(blob.PermGetattr|blob.PermLock) != 0 && len(granting) < n/2 {
				granting = append(granting, in)
			} else {
				others = append(others, in)
			}
		}
		found = append(granting, others...)
	}
	found = found[:min(n, len(found))]
	for _, in := range found[:len(found):len(found)] {
		found = append(found, mutate(in, rnd))
	}
	return append(found, nil)
}

// witnesses returns a short string for every state that can be reached, except
// the trap. Which byte of those that lead on is taken is left to chance.
func witnesses(dfa *blob.DFA, start uint32, rnd *rand.Rand) [][]byte {
	seen := make([]bool, dfa.States())
	seen[blob.TrapState], seen[start] = true, true
	type node struct {
		state uint32
		in    []byte
	}
	queue := []node{{start, nil}}
	var row [256]uint32
	var out [][]byte
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		if n.in != nil {
			out = append(out, n.in)
		}
		dfa.Row(n.state, &row)
		offset := rnd.IntN(256)
		for i := range row {
			b := byte(i + offset)
			if next := row[b]; !seen[next] {
				seen[next] = true
				queue = append(queue, node{next, append(n.in[:len(n.in):len(n.in)], b)})
			}
		}
	}
	return out
}

// mutate changes a string a little.
func mutate(in []byte, rnd *rand.Rand) []byte {
	out := append([]byte{}, in...)
	letters := "/aA0.\x00\x01*~\xff"
	at := rnd.IntN(len(out) + 1)
	switch rnd.IntN(4) {
	case 0:
		return out[:at]
	case 1:
		return append(out, letters[rnd.IntN(len(letters))])
	case 2:
		return append(append(out[:at:at], letters[rnd.IntN(len(letters))]), out[at:]...)
	}
	if at < len(out) {
		out[at] ^= 1 << rnd.IntN(8)
	}
	return out
}
