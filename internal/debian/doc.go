// SPDX-License-Identifier: Apache-2.0

// Package debian fetches from Debian's archive what tests need: kernels,
// packages with the libraries of their programs, and the upstream sources of
// packages. It asks apt with a private configuration: own sources, lists and
// cache in a folder of the user's, the machine's mirror and the machine's
// archive keyring. What is fetched is unpacked below that folder and run from
// there: nothing on the machine changes and no privilege is needed.
//
// Processes that want the same thing at the same time wait for each other. A
// thing appears under its name when it is whole. It then stays: delete its
// folder to have the newest of the suite.
package debian
