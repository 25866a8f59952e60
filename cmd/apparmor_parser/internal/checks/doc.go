// SPDX-License-Identifier: Apache-2.0

// Package checks holds the tests of the command that run on Debian's kernels,
// inside the guests of package vmtest. TestKernels of package command boots
// them.
package checks
