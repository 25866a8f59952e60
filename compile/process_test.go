// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/upstream"
)

// processDigest is set in processes that only print what they compile.
const processDigest = "COMPILE_TEST_DIGEST"

// processEvery is the step of the sample of upstream's profiles.
const processEvery = 23

// TestProcesses compiles the same policy in several processes, each of which
// has seeds of its own for its maps and another number of threads.
func TestProcesses(t *testing.T) {
	if os.Getenv(processDigest) != "" {
		fmt.Printf("digest %s\n", digestSample(t))
		return
	}
	want := digestSample(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, threads := range []string{"1", "2", "7"} {
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestProcesses$")
		cmd.Env = append(os.Environ(), processDigest+"=1", "GOMAXPROCS="+threads)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if !strings.Contains(string(out), "digest "+want+"\n") {
			t.Errorf("with %s threads not %s: %s", threads, want, out)
		}
	}
}

// digestSample compiles a sample of upstream's profiles for each form of binary
// policy, and a profile with everything that is kept in a map on the way.
func digestSample(t *testing.T) string {
	t.Helper()
	tree := upstream.Profiles(t).FS
	files, err := fs.ReadDir(tree, ".")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	add := func(name, text string) {
		for _, kernel := range []string{k61, k73} {
			set := oracle.FeatureSet(t, kernel)
			out, err := source{roots: []fs.FS{tree}, abi: set}.compile(t, set, name, text)
			if err != nil {
				t.Fatal(err)
			}
			sum.Write(out.Policy.Bytes())
			fmt.Fprintln(sum, out.Degraded, out.Stats)
		}
	}
	for i, f := range files {
		if f.IsDir() || i%processEvery != 0 {
			continue
		}
		text, err := fs.ReadFile(tree, f.Name())
		if err != nil {
			t.Fatal(err)
		}
		add(f.Name(), string(text))
	}
	add("p", `@{A}=/a /b /c
profile t /usr/bin/{a,b} xattrs=(user.a=b user.b=c) flags=(complain,audit) {
  all, network, /x px -> a, /y Cx -> b, /z px -> :n:c, /@{A}/** rwk, deny /@{A}/x w, audit owner /[a-f]/** rw,
  mount options in (ro,nosuid,nodev) -> /@{A}/, mount fstype=(ext4,tmpfs), umount, capability chown, audit deny capability kill,
  set rlimit cpu <= 1, set rlimit nofile <= 5, signal set=(hup kill), unix addr=@a*, change_profile -> x, ^h { }
}
`)
	return fmt.Sprintf("%x", sum.Sum(nil))
}
