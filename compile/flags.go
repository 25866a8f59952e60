// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/linux"
	"github.com/goarmor/apparmor/policy"
)

// flags fills in the flags of the profile.
func flags(e *emitter, out *blob.Profile) {
	f := &e.profile.Flags
	switch f.Mode {
	case policy.DefaultAllow:
		out.Mode = blob.Unconfined
	case policy.PromptMode:
		out.Mode = blob.Prompt
		if !promptMode(e.kernel) {
			e.degrade(features.PermTable, "the mode prompt", false)
			out.Mode = blob.Enforce
		}
	default:
		out.Mode = blob.Mode(f.Mode)
	}
	if f.Debug {
		out.FlagBits |= flagDebug
	}
	for _, w := range [...]struct {
		on   bool
		flag blob.PathFlags
	}{
		{f.AttachDisconnected, blob.PathAttachDisconnected},
		{f.AttachDisconnectedIPC, blob.PathAttachDisconnectedIPC},
		{f.ChrootRelative, blob.PathChrootRelative},
		{f.ChrootAttach, blob.PathChrootAttach},
		{f.MediateDeleted, blob.PathMediateDeleted},
	} {
		if w.on {
			out.PathFlags |= w.flag
		}
	}
	out.HasPathFlags = f.PathWords || out.PathFlags != 0
	if f.DisconnectedPath != "" {
		out.PathFlags |= blob.PathAttachDisconnected
		out.HasPathFlags = true
		if e.kernel.DisconnectedPath() {
			out.Disconnected = f.DisconnectedPath
		} else {
			e.degrade(features.Disconnected, "the flag attach_disconnected.path", false)
		}
	}
	if f.KillSignal != "" {
		n, ok := linux.SignalNumber(strings.ToLower(f.KillSignal))
		switch {
		case !ok:
			e.fail(&diag.Diagnostic{Code: diag.CodeSignal, Message: "unknown signal " + strconv.Quote(f.KillSignal), Text: f.KillSignal})
		case n > maxKillSignal:
			e.degrade("domain/kill.signal/"+f.KillSignal, "the flag kill.signal with a real-time signal", true)
		case e.kernel.KillSignal():
			out.Kill = uint32(n)
		default:
			e.degrade("domain/kill.signal", "the flag kill.signal", true)
		}
	}
	if f.DisconnectedIPCPath != "" {
		if e.has(features.DisconnectedIPC) {
			out.DisconnectedIPC = f.DisconnectedIPCPath
		} else {
			e.degrade(features.DisconnectedIPC, "the flag attach_disconnected.ipc with a path", false)
		}
	}
	if f.Error != "" {
		n, ok := linux.ErrnoNumber(f.Error)
		switch {
		case !ok:
			e.fail(&diag.Diagnostic{Code: diag.CodeFlag, Message: "unknown error code " + strconv.Quote(f.Error), Text: f.Error})
		case e.has(features.ErrorFlag):
			out.Error = n
		default:
			e.degrade(features.ErrorFlag, "the flag error", true)
		}
	}
	if f.Interruptible {
		if e.has(features.Interruptible) || e.has(interruptibleFlag) {
			out.FlagBits |= flagInterruptible
		} else {
			e.degrade(features.Interruptible, "the flag interruptible", true)
		}
	}
}

// The flags word as read in apparmor_parser 6.0 and Ubuntu's kernels. 6.0 has
// a second debug bit, 4, which no word of the language sets.
const (
	flagDebug         = 2
	flagInterruptible = 8

	maxKillSignal = 35
)

// interruptibleFlag is the feature as 6.0 names it. Kernels show it below
// domain, as they do with the signal of mode kill.
const interruptibleFlag = "policy/profile/interruptible"
