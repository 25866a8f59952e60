// SPDX-License-Identifier: Apache-2.0

// Package guest is the side of package vmtest that runs inside the virtual
// machine.
package guest

// Frame is one line on the port between guest and host, as JSON. Just one
// field is set.
type Frame struct {
	// Hello is the first frame: the kernel's release.
	Hello string `json:"hello,omitempty"`
	// Features comes next: what the kernel shows of AppArmor's features, in
	// the form that apparmor_parser reads.
	Features string `json:"features,omitempty"`
	// Out is one line of the tests' output, with its newline if it had one.
	Out string `json:"out,omitempty"`
	// Exit is the last frame: the exit status of the tests.
	Exit *int `json:"exit,omitempty"`
	// Fatal is the last frame when the guest cannot run the tests.
	Fatal string `json:"fatal,omitempty"`
}

// Config is what the host tells the guest, in the file ConfigFile.
type Config struct {
	Release   string   // of the kernel
	Port      string   // the terminal for frames
	Scenarios bool     // whether scenarios run on it
	Args      []string // for the test binary
}

// The files of the guest.
const (
	ConfigFile = "/vmtest.json"
	FilesDir   = "/files"
	// ModulesDir has modules of the kernel, which are loaded in the order of
	// their names.
	ModulesDir = "/modules"
)
