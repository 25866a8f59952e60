// SPDX-License-Identifier: Apache-2.0

package loader

import "github.com/goarmor/apparmor/blob"

// sealed returns policy with profiles of the given names that allow nothing.
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
// start state has a transition for every byte.
func nothing(classes bool) *blob.DFA {
	const states = 3 // the trap, the start, and the state in which everything ends
	d := &blob.DFA{
		Accept: make([]uint32, states), Accept2: make([]uint32, states),
		Base: make([]uint32, states), Default: make([]uint32, states),
		Next: make([]uint32, 256), Check: make([]uint32, 256),
	}
	if classes {
		// The start has no slots of its own, so this applies to every byte.
		d.Default[blob.StartState] = 2
	}
	return d
}
