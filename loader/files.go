// SPDX-License-Identifier: Apache-2.0

package loader

// File is a file that a process has open.
type File struct {
	PID int // as the procfs of Options.ProcFS numbers it
	// Path is what procfs shows: where the file is now, as the caller sees it,
	// with " (deleted)" after the last name of a file that no longer has one.
	// For what is not in a directory, such as a socket, it is not a path.
	Path string
	// Read and Write say what the descriptor is open for.
	Read, Write bool
}

// maxFiles bounds what one request returns: a guest may have as many files
// open as its limits allow.
const maxFiles = 10_000
