// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package loader

import (
	"context"
	"errors"
	"os/exec"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
)

func unsupported(op Op) error { return &Error{Op: op, Err: errors.ErrUnsupported} }

// Kernel is one policy namespace of the running kernel. There are none here.
type Kernel struct {
	*Tasks
}

// Open returns an error that matches errors.ErrUnsupported.
func Open(Options) (*Kernel, error) { return nil, unsupported(OpOpen) }

// Close does nothing.
func (k *Kernel) Close() error { return nil }

// NS returns the empty string.
func (k *Kernel) NS() string { return "" }

// Qualify returns the label of a profile of this namespace.
func (k *Kernel) Qualify(profile string) string { return profile }

// Features is unsupported.
func (k *Kernel) Features(context.Context) (*features.Set, error) {
	return nil, unsupported(OpFeatures)
}

// Load is unsupported.
func (k *Kernel) Load(context.Context, *blob.Policy) error { return unsupported(OpLoad) }

// Replace is unsupported.
func (k *Kernel) Replace(context.Context, *blob.Policy) error { return unsupported(OpReplace) }

// Ensure is unsupported.
func (k *Kernel) Ensure(context.Context, *blob.Policy) (changed bool, err error) {
	return false, unsupported(OpEnsure)
}

// EnsureWith is unsupported.
func (k *Kernel) EnsureWith(context.Context, *blob.Policy, Accept) (changed bool, err error) {
	return false, unsupported(OpEnsure)
}

// Remove is unsupported.
func (k *Kernel) Remove(context.Context, string) error { return unsupported(OpRemove) }

// Seal is unsupported.
func (k *Kernel) Seal(context.Context, string) error { return unsupported(OpSeal) }

// Sealed is unsupported.
func (k *Kernel) Sealed(context.Context, string) (bool, error) { return false, unsupported(OpDigest) }

// Retire is unsupported.
func (k *Kernel) Retire(context.Context, string, RetireOptions) error { return unsupported(OpRetire) }

// Users is unsupported.
func (k *Kernel) Users(context.Context, string) ([]User, error) { return nil, unsupported(OpUsers) }

// Files is unsupported.
func (k *Kernel) Files(context.Context, string, func(File) bool) ([]File, error) {
	return nil, unsupported(OpFiles)
}

// Digest is unsupported.
func (k *Kernel) Digest(context.Context, string) (Digest, error) {
	return Digest{}, unsupported(OpDigest)
}

// Holds is unsupported.
func (k *Kernel) Holds(context.Context, *blob.Policy) (bool, error) {
	return false, unsupported(OpDigest)
}

// Mode is unsupported.
func (k *Kernel) Mode(context.Context) (Mode, error) { return "", unsupported(OpMode) }

// Confines is unsupported.
func (k *Kernel) Confines(context.Context, Fingerprint, Accept) error {
	return unsupported(OpConfines)
}

// StartWith is unsupported.
func (k *Kernel) StartWith(context.Context, *exec.Cmd, string, StartOptions) error {
	return unsupported(OpStart)
}

// Profile is unsupported.
func (k *Kernel) Profile(context.Context, string) (Profile, error) {
	return Profile{}, unsupported(OpList)
}

// Profiles is unsupported.
func (k *Kernel) Profiles(context.Context) ([]Profile, error) { return nil, unsupported(OpList) }

// Namespace is unsupported.
func (k *Kernel) Namespace(context.Context, string, bool) (*Kernel, error) {
	return nil, unsupported(OpNamespace)
}

// RemoveNamespace is unsupported.
func (k *Kernel) RemoveNamespace(context.Context, string) error {
	return unsupported(OpRemoveNamespace)
}

// Namespaces is unsupported.
func (k *Kernel) Namespaces(context.Context) ([]string, error) { return nil, unsupported(OpList) }

// Revision is unsupported.
func (k *Kernel) Revision(context.Context) (uint64, error) { return 0, unsupported(OpRevision) }

// WaitRevision is unsupported.
func (k *Kernel) WaitRevision(context.Context, uint64) (uint64, error) {
	return 0, unsupported(OpRevision)
}

// Query is unsupported.
func (k *Kernel) Query(context.Context, string, blob.Class, []byte) (Permissions, error) {
	return Permissions{}, unsupported(OpQuery)
}

// Allowed is unsupported.
func (k *Kernel) Allowed(context.Context, string, blob.Class, []byte, uint32) (bool, error) {
	return false, unsupported(OpQuery)
}

// Tasks reads and changes the confinement of tasks. There are none here.
type Tasks struct{}

// OpenTasks returns an error that matches errors.ErrUnsupported.
func OpenTasks(Options) (*Tasks, error) { return nil, unsupported(OpOpen) }

// Close does nothing.
func (t *Tasks) Close() error { return nil }

// Label is unsupported.
func (t *Tasks) Label(int) (Label, error) { return Label{}, unsupported(OpLabel) }

// Self is unsupported.
func (t *Tasks) Self() (Label, error) { return Label{}, unsupported(OpLabel) }

// OnExec is unsupported.
func (t *Tasks) OnExec() (Label, bool, error) { return Label{}, false, unsupported(OpLabel) }

// ChangeProfile is unsupported.
func (t *Tasks) ChangeProfile(string) error { return unsupported(OpChangeProfile) }

// Stack is unsupported.
func (t *Tasks) Stack(string) error { return unsupported(OpStack) }

// ChangeOnExec is unsupported.
func (t *Tasks) ChangeOnExec(string) error { return unsupported(OpChangeOnExec) }

// StackOnExec is unsupported.
func (t *Tasks) StackOnExec(string) error { return unsupported(OpStackOnExec) }

// ChangeHat is unsupported.
func (t *Tasks) ChangeHat(uint64, ...string) error { return unsupported(OpChangeHat) }

// LeaveHat is unsupported.
func (t *Tasks) LeaveHat(uint64) error { return unsupported(OpChangeHat) }

// Start is unsupported.
func (t *Tasks) Start(context.Context, *exec.Cmd, string) error { return unsupported(OpStart) }

// StartInNamespace is unsupported.
func (t *Tasks) StartInNamespace(context.Context, *exec.Cmd, string, StartOptions) error {
	return unsupported(OpStart)
}

// StartWith is unsupported.
func (t *Tasks) StartWith(context.Context, *exec.Cmd, string, StartOptions) error {
	return unsupported(OpStart)
}
