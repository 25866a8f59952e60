// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"strings"
)

// configure applies the text of a configuration file: an option to a line, by
// its long name, with the argument behind "=" or blanks. An unknown option is
// told to warn; a wrong argument, or none where one is needed, is an error. An
// action is a default that arguments may change.
func configure(o *options, table []option, text string, warn func(string)) error {
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
		case opt.takes == needsArgument && arg == "":
			return usageError(fmt.Sprintf("option (%s) in config file needs an argument", name))
		case opt.takes == noArgument:
			arg = ""
		}
		if err := opt.set(o, arg); err != nil {
			return err
		}
	}
	o.actions = 0
	return nil
}

func exactLong(table []option, name string) (option, bool) {
	for _, opt := range table {
		for _, long := range opt.long {
			if long == name {
				return opt, true
			}
		}
	}
	return option{}, false
}
