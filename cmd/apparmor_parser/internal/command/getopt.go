// SPDX-License-Identifier: Apache-2.0

package command

import "github.com/goarmor/apparmor/internal/getopt"

// applyArguments applies arguments to o. It stops early if an option ends the
// program.
func applyArguments(o *options, table []getopt.Option[options], args []string, posix bool) error {
	p := getopt.Parser[options]{Options: table, Posix: posix, Done: func(o *options) bool { return o.ends != nil }}
	operands, err := p.Parse(o, args)
	o.inputs = append(o.inputs, operands...)
	return err
}

// earlyTable is the table for a first pass over the arguments: only options
// that are needed before the configuration file is read have an effect.
func earlyTable(table []getopt.Option[options]) []getopt.Option[options] {
	early := make([]getopt.Option[options], len(table))
	for i, opt := range table {
		switch opt.Long[0] {
		case "config-file", "warn", "Werror":
		default:
			opt.Set = func(*options, string) error { return nil }
		}
		early[i] = opt
	}
	return early
}
