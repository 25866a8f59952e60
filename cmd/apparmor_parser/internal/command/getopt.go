// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"slices"
	"strings"
)

// argument tells whether an option takes an argument.
type argument uint8

const (
	noArgument argument = iota
	needsArgument
	mayHaveArgument // only attached: -hwarn, --help=warn
)

// option is one entry of the table of options.
type option struct {
	long  []string // the first is the one to document
	short byte     // 0: none
	takes argument
	value string // name of the argument, for help
	help  string // one line; empty: not listed
	set   func(o *options, arg string) error
}

// usageError is a mistake in the use of the command.
type usageError string

func (e usageError) Error() string { return string(e) }

// getopt applies arguments to o as getopt_long(3) finds them: options and
// operands in any order, "--" in front of operands only, long names by any
// unambiguous beginning. It stops early when an option asks for something that
// ends the program.
func getopt(o *options, table []option, args []string, posix bool) error {
	for i := 0; i < len(args); i++ {
		if o.ends != nil {
			return nil
		}
		arg := args[i]
		switch {
		case arg == "--":
			o.inputs = append(o.inputs, args[i+1:]...)
			return nil
		case strings.HasPrefix(arg, "--"):
			name, value, attached := strings.Cut(arg[2:], "=")
			opt, err := findLong(table, name)
			if err != nil {
				return err
			}
			switch {
			case attached && opt.takes == noArgument:
				return usageError(fmt.Sprintf("option '--%s' doesn't allow an argument", opt.long[0]))
			case !attached && opt.takes == needsArgument:
				if i++; i == len(args) {
					return usageError(fmt.Sprintf("option '--%s' requires an argument", opt.long[0]))
				}
				value = args[i]
			}
			if err := opt.set(o, value); err != nil {
				return err
			}
		case len(arg) > 1 && arg[0] == '-':
			next, err := shortOptions(o, table, args, i)
			if err != nil {
				return err
			}
			i = next
		case posix:
			o.inputs = append(o.inputs, args[i:]...)
			return nil
		default:
			o.inputs = append(o.inputs, arg)
		}
	}
	return nil
}

// shortOptions applies the one-letter options of args[i] and returns the index
// of the last argument that it used.
func shortOptions(o *options, table []option, args []string, i int) (int, error) {
	for rest := args[i][1:]; rest != "" && o.ends == nil; {
		letter := rest[0]
		rest = rest[1:]
		at := slices.IndexFunc(table, func(p option) bool { return p.short == letter })
		if at < 0 {
			return i, usageError(fmt.Sprintf("invalid option -- '%c'", letter))
		}
		value := ""
		switch table[at].takes {
		case mayHaveArgument:
			value, rest = rest, ""
		case needsArgument:
			if value, rest = rest, ""; value == "" {
				if i++; i == len(args) {
					return i, usageError(fmt.Sprintf("option requires an argument -- '%c'", letter))
				}
				value = args[i]
			}
		}
		if err := table[at].set(o, value); err != nil {
			return i, err
		}
	}
	return i, nil
}

// findLong finds the option of a long name or of its beginning.
func findLong(table []option, name string) (option, error) {
	found := -1
	var names []string
	for i, opt := range table {
		for _, long := range opt.long {
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
		return option{}, usageError(fmt.Sprintf("option '--%s' is ambiguous; possibilities: %s", name, strings.Join(names, " ")))
	case found < 0:
		return option{}, usageError(fmt.Sprintf("unrecognized option '--%s'", name))
	}
	return table[found], nil
}

// earlyTable is the table for a first look at the arguments: only what has to
// be known before the configuration file is read has an effect.
func earlyTable(table []option) []option {
	early := make([]option, len(table))
	for i, opt := range table {
		switch opt.long[0] {
		case "config-file", "warn", "Werror":
		default:
			opt.set = func(*options, string) error { return nil }
		}
		early[i] = opt
	}
	return early
}
