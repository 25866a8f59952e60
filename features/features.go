// Package features tells what a kernel or a policy ABI can enforce.
package features

// Set is what one kernel, or one version of the policy language, can enforce.
// A Set is immutable and safe for concurrent use.
type Set struct {
}
