// SPDX-License-Identifier: Apache-2.0

// Package policycheck is an example of policy that is tested: its expectations
// are in web.expect, and `go test` checks them. README.md says how a CI without
// Go tests does.
package policycheck
