// SPDX-License-Identifier: Apache-2.0

// Package proptest and those below it are the property tests of this module:
// what must hold for random words, trees, policies and questions. They are a
// module of their own because of what the generator of random values, gopter,
// requires: it would fill the go.sum of every program that uses the library.
//
// Each package has the name of the one that it tests. From here the tests see
// what that one exports; what two packages' tests share is in internal/treetest
// and internal/querytest.
//
//	cd internal/proptest && go test ./...
package proptest
