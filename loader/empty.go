// SPDX-License-Identifier: Apache-2.0

package loader

import "github.com/goarmor/apparmor/blob"

// sealed returns policy that allows the profiles of the given names nothing.
//
// Kernels do not mediate a class of requests that the policy has nothing on.
// So there is something on every class: a state from which nothing is
// accepted, which every byte leads to.
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

// nothing returns an automaton that accepts nothing. If classes is set there is
// a way out of its start state, for every byte.
func nothing(classes bool) *blob.DFA {
	const states = 3 // the trap, the start, and where everything ends
	d := &blob.DFA{
		Accept: make([]uint32, states), Accept2: make([]uint32, states),
		Base: make([]uint32, states), Default: make([]uint32, states),
		Next: make([]uint32, 256), Check: make([]uint32, 256),
	}
	if classes {
		// No slot is the start's own, so this is for every byte.
		d.Default[blob.StartState] = 2
	}
	return d
}
