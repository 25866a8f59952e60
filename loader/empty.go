// SPDX-License-Identifier: Apache-2.0

package loader

import "github.com/goarmor/apparmor/blob"

// sealed returns policy with profiles of the given names that allow nothing but
// to be killed: kernels ask the profile of a process whether it may receive a
// SIGKILL, even one of a root that is not confined, and otherwise nobody could
// end it (seen on 7.2).
//
// Kernels do not mediate a class of requests if the policy has nothing about
// it. So it has something about every class: a state from which nothing is
// accepted, to which every byte leads.
func sealed(namespace string, names []string, mode blob.Mode) (*blob.Policy, error) {
	var profiles []*blob.Profile
	for _, name := range names {
		profiles = append(profiles, &blob.Profile{
			Namespace: namespace, Name: name, Mode: mode,
			Policydb: &blob.PolicyDB{DFA: nothing(true)},
			File:     &blob.PolicyDB{DFA: nothing(false)},
		})
	}
	return blob.Encode(profiles)
}

// nothing returns an automaton that accepts nothing. If classes is set, its
// start state has a transition for every byte, and SIGKILL of anybody is
// received.
func nothing(classes bool) *blob.DFA {
	const (
		end    = 2 + iota // in which everything else ends
		signal            // after the class
		killed            // after the number of the signal, with the name of the sender
		states            // with the trap and the start
	)
	d := &blob.DFA{
		Accept: make([]uint32, states), Accept2: make([]uint32, states),
		Base: make([]uint32, states), Default: make([]uint32, states),
		Next: make([]uint32, 256), Check: make([]uint32, 256),
	}
	if classes {
		// This applies to every byte for which the start has no slot.
		d.Default[blob.StartState], d.Default[killed] = end, killed
		d.Next[blob.ClassSignal], d.Check[blob.ClassSignal] = signal, blob.StartState
		const sigkill = 9 // in policy as in Linux on every machine
		d.Next[sigkill], d.Check[sigkill] = killed, signal
		d.Accept[killed] = blob.PermReceive
	}
	return d
}
