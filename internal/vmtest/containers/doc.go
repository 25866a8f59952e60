// SPDX-License-Identifier: Apache-2.0

// Package containers holds tests that run containers of Debian's runtimes
// under the profiles that package svirt makes from its templates for
// containers, in guests of package vmtest.
package containers
