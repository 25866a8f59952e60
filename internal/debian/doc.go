// SPDX-License-Identifier: Apache-2.0

// Package debian fetches kernels from Debian's archive for tests. It asks apt
// with a private configuration: own sources, lists and cache in a folder of
// the user's, the machine's mirror and the machine's archive keyring. Nothing
// on the machine changes and no privilege is needed.
package debian
