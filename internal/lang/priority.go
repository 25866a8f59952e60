// SPDX-License-Identifier: Apache-2.0

package lang

// The range of the priorities of rules.
const (
	MinPriority = -1000
	MaxPriority = 1000
)
