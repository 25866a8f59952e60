// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package svirt

import "context"

// Without AppArmor there is nothing to be confined with, and one process.

func (s *dirStore) lock(bool) error { return nil }
func (s *dirStore) unlock() error   { return nil }

func (s *dirStore) lockMachine(ctx context.Context, _ string) (func(), error) {
	return func() {}, ctx.Err()
}

func (s *dirStore) lockClaims(ctx context.Context) (func(), error) { return func() {}, ctx.Err() }

// CheckDirectory checks nothing.
func CheckDirectory(string) error { return nil }

func checkDirectory(string, bool) error { return nil }
