// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/policy"
)

// Priorities of the strings that make a class mediated: above every rule, so
// that no denial makes the class look unmediated, and below.
const (
	mediatesFirst = 1001
	mediatesLast  = -1001
)

// mediates adds one string for each class that is mediated even if it has no
// rule.
func mediates(e *emitter) {
	confined := e.profile.Flags.Mode != policy.Unconfined && e.profile.Flags.Mode != policy.DefaultAllow
	if confined {
		if e.kernel.Supports("policy/versions/v6") || e.kernel.Supports("policy/versions/v7") {
			e.mediate(blob.ClassFile, mediatesFirst)
		}
		for _, m := range [...]struct {
			class   blob.Class
			feature string
		}{
			{blob.ClassMount, features.Mount},
			{blob.ClassPtrace, features.Ptrace},
			{blob.ClassSignal, features.Signal},
			{blob.ClassNet, features.NetworkV8},
			{blob.ClassNetV9, features.NetworkV9},
			{blob.ClassNetSkb, networkPackets},
			{blob.ClassDBus, features.DBus},
			{blob.ClassPosixMq, features.PosixMqueue},
			{blob.ClassSysVMq, features.SysvMqueue},
		} {
			if e.has(m.feature) {
				e.mediate(m.class, mediatesFirst)
			}
		}
		if e.has(networkUnix) && !e.has(networkUnixV9) {
			e.mediate(blob.ClassNetOld, mediatesFirst)
		}
		if e.has(features.IOUring) {
			e.mediate(blob.ClassIOUring, mediatesLast)
		}
	}
	// An unconfined profile can be written only to say who may create user
	// namespaces.
	if e.has(features.Userns) {
		e.mediate(blob.ClassNamespaces, mediatesLast)
	}
}

// permMediated is what the strings that make a class mediated grant.
const permMediated = blob.PermRead

// mediate adds the string that makes a class mediated.
func (e *emitter) mediate(c blob.Class, priority int16) {
	e.add(bytesNode(byte(c)), &ast.Qualifiers{Priority: priority}, permMediated)
}
