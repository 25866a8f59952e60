package automaton

import "fmt"

// GlobOptions select a variant of the pattern language.
type GlobOptions struct {
	// NUL lets `*` and `**` match NUL bytes, as in addresses of unix sockets
	// and values of extended attributes.
	NUL bool
}

// GlobInfo is what the text of a pattern tells about it.
type GlobInfo struct {
	// Exact says that the pattern names its strings one by one: it has no
	// `*`, `**`, `?` and no negated class. Alternations and classes are exact.
	Exact bool
	// MinLen is the length of the shortest string that matches, in bytes.
	MinLen int
}

// GlobError says why a pattern is not one.
type GlobError struct {
	Pattern string
	Offset  int    // of the offending byte in Pattern
	Reason  string // in lower case, without a full stop
}

// Error implements error.
func (e *GlobError) Error() string {
	return fmt.Sprintf("pattern %q: %s at offset %d", e.Pattern, e.Reason, e.Offset)
}

// Glob translates a pattern.
func Glob(pattern string, o GlobOptions) (Node, GlobInfo, error) {
	return Literal(pattern), GlobInfo{Exact: true, MinLen: len(pattern)}, nil // TODO
}
