// SPDX-License-Identifier: Apache-2.0

// Package selftest holds guest tests that go wrong in every way that package
// vmtest has to notice.
package selftest
