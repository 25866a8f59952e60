package command

import (
	"fmt"
	"strings"
)

// configure applies the text of a configuration file: an option to a line, by
// its long name, with the argument behind "=" or blanks. What is wrong with a
// line is told to warn; a wrong argument is an error.
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
			warn(fmt.Sprintf("option (%s) in config file needs an argument", name))
			continue
		}
		if err := opt.set(o, arg); err != nil {
			return err
		}
	}
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

// configFile finds which configuration file the arguments ask for, which has
// to be known before they are applied.
func configFile(args []string) string {
	file := defaultConfig
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if value, ok := strings.CutPrefix(arg, "--config-file="); ok {
			file = value
		} else if arg == "--config-file" && i+1 < len(args) {
			file = args[i+1]
		}
	}
	return file
}
