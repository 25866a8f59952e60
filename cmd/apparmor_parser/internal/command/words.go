// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/internal/getopt"
)

// dumps is a set of what --Dump prints.
type dumps uint16

const (
	dumpVariables dumps = 1 << iota
	dumpExpanded
	dumpRules
	dumpBuild
	dumpSizes
	dumpStates
	dumpGraph
	dumpPerms
	dumpTables
	dumpClasses
	// dumpNothing is for words about steps that this compiler does not have.
	dumpNothing
)

// dumpWords are the words of --Dump, those of the reference and no others.
var dumpWords = []struct {
	name string
	what dumps
	help string
}{
	{"variables", dumpVariables, "the variables as assigned"},
	{"expanded-variables", dumpExpanded, "the variables as used"},
	{"rule-exprs", dumpRules, "the rules that automata are made of, with their places"},
	{"stats", dumpBuild | dumpSizes, "all that is counted"},
	{"dfa-stats", dumpBuild, "the numbers of rules and states"},
	{"compress-stats", dumpSizes, "the sizes of tables"},
	{"equiv-stats", dumpSizes, "the same"},
	{"diff-stats", dumpSizes, "the same"},
	{"dfa-states", dumpStates, "the states: what they grant and where they lead"},
	{"dfa-graph", dumpGraph, "the states as a graph for graphviz"},
	{"dfa-uniq-perms", dumpPerms, "the different permissions of states"},
	{"dfa-minimize-uniq-perms", dumpPerms, "the same"},
	{"compressed-dfa", dumpTables, "the tables as kernels read them"},
	{"dfa-compressed-states", dumpTables, "the same"},
	{"equiv", dumpClasses, "the classes of bytes, of automata that have them"},
	{"expr-stats", dumpNothing, ""},
	{"expr-tree", dumpNothing, ""},
	{"expr-simplified", dumpNothing, ""},
	{"progress", dumpNothing, ""},
	{"dfa-progress", dumpNothing, ""},
	{"dfa-states-initial", dumpNothing, ""},
	{"dfa-states-post-filter", dumpNothing, ""},
	{"dfa-states-post-minimize", dumpNothing, ""},
	{"dfa-states-post-unreachable", dumpNothing, ""},
	{"dfa-perms-build", dumpNothing, ""},
	{"dfa-minimize", dumpNothing, ""},
	{"dfa-unreachable", dumpNothing, ""},
	{"dfa-node-map", dumpNothing, ""},
	{"dfa-minimize-partitions", dumpNothing, ""},
	{"compress-progress", dumpNothing, ""},
	{"diff-encode", dumpNothing, ""},
	{"diff-progress", dumpNothing, ""},
	{"rule-merge", dumpNothing, ""},
	{"state32", dumpNothing, ""},
	{"flags_table", dumpNothing, ""},
}

func setDump(o *options, arg string) error {
	if arg == "show" {
		o.shows = append(o.shows, func(w *strings.Builder) { fmt.Fprintf(w, "dump=%s\n", o.dump) })
		return nil
	}
	name, off := strings.CutPrefix(arg, "no-")
	for _, word := range dumpWords {
		if word.name != name || off && word.what&(dumpVariables|dumpExpanded) != 0 {
			continue
		}
		if off {
			o.dump &^= word.what
		} else {
			o.dump |= word.what
		}
		return nil
	}
	return getopt.Error("Invalid --Dump option " + arg)
}

// String lists the words that are on.
func (d dumps) String() string {
	var names []string
	for _, word := range dumpWords {
		if word.what != dumpNothing && d&word.what == word.what {
			names = append(names, word.name)
		}
	}
	return strings.Join(names, ", ")
}

// optimizations is a set of the words of --Optimize.
type optimizations uint32

const (
	optEquiv optimizations = 1 << iota
	optNormalize
	optSimplify
	optLeft
	optMinimize
	optFilterDeny
	optUnreachable
	optCompressDefault
	optCompressSmall
	optDiffEncode
	optRuleMerge
	optState32
	optFlagsTable
	optRecompress

	defaultOptimizations = optNormalize | optSimplify | optMinimize | optFilterDeny | optDiffEncode | optRuleMerge
	noOptimizations      = optNormalize | optSimplify | optMinimize | optUnreachable | optDiffEncode | optState32 | optFlagsTable
)

// optimizeWords are the words of --Optimize, those of the reference and no
// others. Only one has an effect, filter-deny; the others are about the size
// of automata, which is decided here by the features of the kernel and by what
// helps, and which never changes what policy means.
var optimizeWords = []struct {
	name  string
	set   optimizations
	clear optimizations // removed instead of set
	no    bool          // may follow no-
}{
	{"0", 0, noOptimizations, false},
	{"equiv", optEquiv, 0, true},
	{"expr-normalize", optNormalize, 0, true},
	{"expr-simplify", optSimplify, 0, true},
	{"expr-left-simplify", optLeft, 0, false},
	{"expr-right-simplify", 0, optLeft, false},
	{"minimize", optMinimize, 0, true},
	{"filter-deny", optFilterDeny, 0, true},
	{"remove-unreachable", optUnreachable, 0, true},
	{"compress-default", optCompressDefault, 0, false},
	{"compress-small", optCompressSmall, 0, false},
	{"compress-fast", 0, optCompressSmall, false},
	{"diff-encode", optDiffEncode, 0, true},
	{"rule-merge", optRuleMerge, 0, true},
	{"state32", optState32, 0, true},
	{"flags-table", optFlagsTable, 0, true},
	{"zstd-recompress", optRecompress, 0, true},
}

func setOptimize(o *options, arg string) error {
	if arg == "show" {
		o.shows = append(o.shows, func(w *strings.Builder) { fmt.Fprintf(w, "Optimize=%s\n", o.optimize) })
		return nil
	}
	name, off := strings.CutPrefix(arg, "no-")
	for _, word := range optimizeWords {
		if word.name != name || off && !word.no {
			continue
		}
		if off {
			o.optimize &^= word.set
		} else {
			o.optimize = (o.optimize | word.set) &^ word.clear
		}
		if o.optimize&optCompressDefault != 0 && o.optimize&optCompressSmall != 0 {
			return getopt.Error("Conflicting --Optimize options: compress-default, compress-small")
		}
		return nil
	}
	return getopt.Error("Invalid --Optimize option " + arg)
}

// String lists the words that are in effect.
func (o optimizations) String() string {
	var names []string
	for _, word := range optimizeWords {
		if word.name == "0" {
			continue // says what is off
		}
		if word.clear == 0 && o&word.set == word.set || word.clear != 0 && o&word.clear == 0 {
			names = append(names, word.name)
		}
	}
	return strings.Join(names, ", ")
}
