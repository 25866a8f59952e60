// SPDX-License-Identifier: Apache-2.0

// Package checks holds the tests that run on Debian's kernels, inside the
// guests of package vmtest. TestKernels there boots them.
package checks
