// SPDX-License-Identifier: Apache-2.0

// Package parts holds tests that run Debian's QEMU and its companions under the
// profiles of package svirt, in guests of package vmtest.
package parts
