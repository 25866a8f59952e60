// SPDX-License-Identifier: Apache-2.0

package checks

import "github.com/goarmor/apparmor/blob"

// Question is what a kernel is to be asked about a loaded profile, as the host
// puts it: what the profile says to a string of a class.
type Question struct {
	Profile string
	Class   blob.Class
	In      []byte
}
