// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/internal/getopt"
)

// configure applies the text of a configuration file: one option per line, by
// its long name, with the argument after "=" or blanks. Warn is called for an
// unknown option; a wrong or missing argument is an error. An action is a
// default that arguments may change.
func configure(o *options, table []getopt.Option[options], text string, warn func(string)) error {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, arg := line, ""
		if i := strings.IndexAny(line, "= \t"); i >= 0 {
			name = line[:i]
			arg = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line[i:]), "="))
		}
		opt, ok := exactLong(table, name)
		switch {
		case !ok:
			warn(fmt.Sprintf("unknown option (%s) in config file.", name))
			continue
		case opt.Takes == getopt.Needed && arg == "":
			return getopt.Error(fmt.Sprintf("option (%s) in config file needs an argument", name))
		case opt.Takes == getopt.None:
			arg = ""
		}
		if err := opt.Set(o, arg); err != nil {
			return err
		}
	}
	o.actions = 0
	return nil
}

func exactLong(table []getopt.Option[options], name string) (getopt.Option[options], bool) {
	for _, opt := range table {
		for _, long := range opt.Long {
			if long == name {
				return opt, true
			}
		}
	}
	return getopt.Option[options]{}, false
}
