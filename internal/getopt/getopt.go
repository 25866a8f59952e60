// SPDX-License-Identifier: Apache-2.0

// Package getopt reads command lines as getopt_long(3) does, for commands that
// replace programs which use it.
package getopt

import (
	"fmt"
	"slices"
	"strings"
)

// Argument says whether an option takes an argument.
type Argument uint8

// The possibilities.
const (
	None Argument = iota
	Needed
	Optional // only attached: -hwarn, --help=warn
)

// Option is one entry of a table of options that set members of a T.
type Option[T any] struct {
	Long  []string // the first is the one to document
	Short byte     // 0: none
	Takes Argument
	Value string // name of the argument, for help
	Help  string // one line; empty: not listed
	Set   func(o *T, arg string) error
}

// Error is a mistake in the use of a command.
type Error string

// Error implements error.
func (e Error) Error() string { return string(e) }

// Parser reads command lines.
type Parser[T any] struct {
	Options []Option[T]
	// Posix ends the options at the first operand, as the environment variable
	// POSIXLY_CORRECT requests.
	Posix bool
	// Done, if set, reports after an option whether reading should stop.
	Done func(o *T) bool
}

// Parse applies arguments to o: options and operands in any order, "--" before
// operands only, long names by any unambiguous beginning. It returns the
// operands.
func (p Parser[T]) Parse(o *T, args []string) (operands []string, err error) {
	for i := 0; i < len(args); i++ {
		if p.done(o) {
			return operands, nil
		}
		arg := args[i]
		switch {
		case arg == "--":
			return append(operands, args[i+1:]...), nil
		case strings.HasPrefix(arg, "--"):
			name, value, attached := strings.Cut(arg[2:], "=")
			opt, err := p.findLong(name)
			if err != nil {
				return operands, err
			}
			switch {
			case attached && opt.Takes == None:
				return operands, Error(fmt.Sprintf("option '--%s' doesn't allow an argument", opt.Long[0]))
			case !attached && opt.Takes == Needed:
				if i++; i == len(args) {
					return operands, Error(fmt.Sprintf("option '--%s' requires an argument", opt.Long[0]))
				}
				value = args[i]
			}
			if err := opt.Set(o, value); err != nil {
				return operands, err
			}
		case len(arg) > 1 && arg[0] == '-':
			next, err := p.short(o, args, i)
			if err != nil {
				return operands, err
			}
			i = next
		case p.Posix:
			return append(operands, args[i:]...), nil
		default:
			operands = append(operands, arg)
		}
	}
	return operands, nil
}

func (p Parser[T]) done(o *T) bool { return p.Done != nil && p.Done(o) }

// short applies the one-letter options of args[i] and returns the index of the
// last argument that it used.
func (p Parser[T]) short(o *T, args []string, i int) (int, error) {
	for rest := args[i][1:]; rest != "" && !p.done(o); {
		letter := rest[0]
		rest = rest[1:]
		at := slices.IndexFunc(p.Options, func(opt Option[T]) bool { return opt.Short == letter })
		if at < 0 {
			return i, Error(fmt.Sprintf("invalid option -- '%c'", letter))
		}
		value := ""
		switch p.Options[at].Takes {
		case Optional:
			value, rest = rest, ""
		case Needed:
			if value, rest = rest, ""; value == "" {
				if i++; i == len(args) {
					return i, Error(fmt.Sprintf("option requires an argument -- '%c'", letter))
				}
				value = args[i]
			}
		}
		if err := p.Options[at].Set(o, value); err != nil {
			return i, err
		}
	}
	return i, nil
}

// findLong finds the option of a long name or of its beginning.
func (p Parser[T]) findLong(name string) (Option[T], error) {
	found := -1
	var names []string
	for i, opt := range p.Options {
		for _, long := range opt.Long {
			if long == name {
				return opt, nil
			}
			if strings.HasPrefix(long, name) {
				if found != i {
					names = append(names, "'--"+long+"'")
				}
				found = i
			}
		}
	}
	switch {
	case len(names) > 1:
		return Option[T]{}, Error(fmt.Sprintf("option '--%s' is ambiguous; possibilities: %s", name, strings.Join(names, " ")))
	case found < 0:
		return Option[T]{}, Error(fmt.Sprintf("unrecognized option '--%s'", name))
	}
	return p.Options[found], nil
}
