// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/internal/getopt"
)

// The functions that set what an argument says.

func setDebug(o *options, arg string) error {
	switch arg {
	case "":
		o.debug, o.diff = true, true
	case "j", "jobs":
		o.debugJobs = true
	default:
		return getopt.Error(fmt.Sprintf("Invalid --debug option '%s'", arg))
	}
	return nil
}

func setWarn(o *options, arg string) error {
	if arg == "show" {
		o.shows = append(o.shows, func(w *strings.Builder) { fmt.Fprintf(w, "warn=%s\n", o.warn) })
		return nil
	}
	if !o.warn.change(arg) {
		return getopt.Error("Invalid --warn option " + arg)
	}
	return nil
}

func setWerror(o *options, arg string) error {
	switch arg {
	case "":
		arg = "all"
	case "show":
		o.shows = append(o.shows, func(w *strings.Builder) { fmt.Fprintf(w, "Werror=%s\n", o.werror) })
		return nil
	}
	if !o.werror.change(arg) {
		return getopt.Error("Invalid --Werror option " + arg)
	}
	return nil
}

func setCacheDirs(o *options, arg string) error {
	if o.cacheDirs = splitDirs(arg); len(o.cacheDirs) == 0 {
		o.cacheDirs = []string{defaultCache}
	}
	return nil
}

// compressionLevels are the levels of zstd that words stand for, in
// apparmor_parser 5.0.2.
var compressionLevels = map[string]int{"none": 0, "fast": 3, "": 10, "default": 10, "small": 20}

// setCompression says with which level policy is compressed that is written to
// files. What is loaded is not: every kernel takes it plain.
func setCompression(o *options, arg string) error {
	level, ok := compressionLevels[arg]
	if !ok {
		n, err := strconv.ParseInt(arg, 10, 32)
		if err != nil {
			return getopt.Error(fmt.Sprintf("Invalid compression level '%s'. It is none, default, fast, small, or 0 to 22", arg))
		}
		if level = int(min(n, 22)); n < 0 {
			level = compressionLevels["fast"]
		}
	}
	o.compress = level
	return nil
}

// setPromptCompat accepts the one way in which prompt rules are written, to
// permission tables. The other ways of the reference would need another
// compiler, or would leave rules without effect.
func setPromptCompat(_ *options, arg string) error {
	switch arg {
	case "default", "permsv2":
		return nil
	case "flag", "ignore":
		return getopt.Error(fmt.Sprintf("--prompt-compat=%s is not available: prompt rules go to permission tables, and are reported if a kernel has none", arg))
	}
	return getopt.Error(fmt.Sprintf("Invalid --prompt-compat option '%s'", arg))
}

func printPromptCompat(w *strings.Builder) { fmt.Fprintln(w, "Prompt compat mode: permsv2") }

func setHelp(o *options, arg string) error {
	topics := map[string]func(*strings.Builder){
		"": printHelp, "warn": printWarnings, "Werror": printWarnings,
		"dump": printDumps, "Dump": printDumps, "D": printDumps,
		"optimize": printOptimizations, "Optimize": printOptimizations, "O": printOptimizations,
	}
	print, ok := topics[arg]
	if !ok {
		return getopt.Error("Invalid --help option " + arg)
	}
	o.ends = print
	return nil
}
