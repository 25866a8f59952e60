// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest_test

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/vmtest"
)

// TestKernels runs package checks on every kernel. The guests get
//
//	features        what the kernel shows of its features
//	reference/X     testdata/X.aa as apparmor_parser compiles it for the kernel
//	secret          something to be kept from reading
//	debian/...      Debian's /etc/apparmor.d
//	corpus/...      policy as we compile it, see corpus
//	quickstart      the program in examples
//	virt-aa-helper  the program in cmd
//	aapolicy        the program in cmd
//	manager.example the profiles beside cmd/virt-aa-helper
//	broker.aa       the profile beside cmd/apparmor-broker
func TestKernels(t *testing.T) {
	programs := map[string]func() ([]byte, error){}
	for _, name := range []string{"examples/quickstart", "cmd/virt-aa-helper", "cmd/aapolicy"} {
		programs[path.Base(name)] = buildProgram(t, name)
	}
	profiles, err := os.ReadFile(filepath.Join(testenv.Root(t), "cmd", "virt-aa-helper", "manager.example"))
	if err != nil {
		t.Fatal(err)
	}
	ofBroker, err := os.ReadFile(filepath.Join(testenv.Root(t), "cmd", "apparmor-broker", "usr.libexec.apparmor-broker"))
	if err != nil {
		t.Fatal(err)
	}
	vmtest.Run(t, vmtest.Config{
		Package: "./checks",
		Timeout: 12 * time.Minute, // several times what it takes under TCG
		Files: func(tb testing.TB, k vmtest.Kernel) map[string][]byte {
			files := kernelFiles(tb, k)
			files["manager.example"], files["broker.aa"] = profiles, ofBroker
			for name, build := range programs {
				data, err := build()
				if err != nil {
					tb.Fatal(err)
				}
				files[name] = data
			}
			return files
		},
	})
}

// TestArm64 runs those of package checks that load and judge our policy on a
// kernel of another architecture. The others are about what is the same in all
// of them.
func TestArm64(t *testing.T) {
	if !testenv.Full() {
		t.Skip("another architecture is emulated, which takes minutes; APPARMOR_TEST_FULL=1 runs it")
	}
	vmtest.Run(t, vmtest.Config{
		Package: "./checks",
		Arch:    "arm64",
		Roles:   []string{"trixie"},
		Timeout: 40 * time.Minute,
		Files:   kernelFiles,
		Args: []string{"-test.run=^(TestGuest|TestFeatures|TestLoadReplaceRemove|TestEnsure|TestReferencePolicy|TestDebian|" +
			"TestFileRules|TestClasses|TestTransitions|TestMounts|TestFamilies|TestUnixSockets|TestNames|TestQuery|TestErrno)$"},
	})
}

// kernelFiles returns the files of TestKernels but for the example.
func kernelFiles(tb testing.TB, k vmtest.Kernel) map[string][]byte {
	pack := filepath.Join(tb.TempDir(), "features")
	if err := os.WriteFile(pack, []byte(k.Features), 0o644); err != nil {
		tb.Fatal(err)
	}
	files := map[string][]byte{"features": []byte(k.Features), "secret": []byte("secret\n")}
	sources, err := filepath.Glob("testdata/*.aa")
	if err != nil || len(sources) == 0 {
		tb.Fatalf("testdata: %d policies, %v", len(sources), err)
	}
	parser := oracle.Parser(tb)
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			tb.Fatal(err)
		}
		out, err := parser.Compile(oracle.Job{Text: string(text), Features: pack})
		if err != nil {
			tb.Fatalf("%s: %v", source, err)
		}
		files["reference/"+strings.TrimSuffix(filepath.Base(source), ".aa")] = out
	}
	addDebian(tb, files)
	addLibvirt(tb, files)
	c := newCorpus(tb, k.Features)
	c.addUpstream(files)
	if testenv.Full() {
		c.addEquality(files)
	}
	return files
}
