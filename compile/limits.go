package compile

// Limits bound what compiling one policy may take. A zero field selects its
// default.
type Limits struct {
	// States is the most states that one automaton may have before it is
	// minimised. The default is 1<<20.
	States int
	// Memory is about how many bytes the construction of one automaton may
	// hold at once. The default is 1 GiB.
	Memory int64
	// Bytes is the greatest length of the binary policy. The default is
	// 64 MiB.
	Bytes int64
}

// The defaults of Limits.
const (
	DefaultStates = 1 << 20
	DefaultMemory = 1 << 30
	DefaultBytes  = 64 << 20
)

func (l Limits) withDefaults() Limits {
	if l.States == 0 {
		l.States = DefaultStates
	}
	if l.Memory == 0 {
		l.Memory = DefaultMemory
	}
	if l.Bytes == 0 {
		l.Bytes = DefaultBytes
	}
	return l
}
