// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/libvirtxml"
)

// comparison is the same work done by us, in one way or several, and by a
// reference program.
type comparison struct {
	ours   []way                  // none: only the references are measured
	theirs []func() (cost, error) // in the order of columns
	note   string                 // in place of theirs
}

// starting is the row that has no work of ours.
const starting = "start apparmor_parser for its version"

func (c comparison) name() string {
	if len(c.ours) == 0 {
		return starting
	}
	return c.ours[0].name
}

type way struct {
	name  string
	bytes int64 // of input, where a rate makes sense
	do    func() error
}

// work is the rows of the first table.
func work(in *input) ([]comparison, error) {
	parse := func(c *parser.Cache) error {
		config := in.parse
		config.Cache = c
		for _, name := range in.top {
			if _, err := config.ParseFS(in.ctx, name); err != nil {
				return err
			}
		}
		return nil
	}
	compileAll := func(cache func() *parser.Cache) func() error {
		return func() error {
			c := cache()
			for _, name := range in.top {
				if err := in.compileFile(name, c, io.Discard); err != nil {
					return err
				}
			}
			return nil
		}
	}
	none := func() *parser.Cache { return nil }
	one := func() *parser.Cache { return &parser.Cache{} }
	n := len(in.top)
	rows := []comparison{
		{ours: []way{{
			name:  fmt.Sprintf("parse the text of %d files", len(in.texts)),
			bytes: in.size,
			do: func() error {
				for _, t := range in.texts {
					if _, err := parser.Parse(t.name, t.text); err != nil {
						return err
					}
				}
				return nil
			},
		}}},
		in.withParser(comparison{ours: []way{
			{name: fmt.Sprintf("parse %d profiles with includes", n), do: func() error { return parse(nil) }},
			{name: "  with one cache", do: func() error { return parse(&parser.Cache{}) }},
			{name: "  as a directory", do: func() error {
				_, err := in.parse.ParseDir(in.ctx, ".")
				return err
			}},
		}}, "", append([]string{"-N", "-j1"}, in.paths()...)...),
		{ours: []way{{name: fmt.Sprintf("load and resolve %d profiles as a directory", n), do: in.load}}},
		in.withParser(comparison{ours: []way{
			{name: "compile the libvirt VM profile", do: func() error { return in.compile("vm", in.machine, nil, io.Discard) }},
		}}, in.machine, "-Q", "-S"),
		in.withParser(comparison{ours: []way{
			{name: fmt.Sprintf("compile %d profiles, each from its files", n), do: compileAll(none)},
			{name: "  with one parse cache", do: compileAll(one)},
		}}, "", append([]string{"-Q", "-S", "-j1"}, in.paths()...)...),
		derive(),
		in.withParser(comparison{}, "", "-V"),
	}
	more, err := instances(in)
	return append(rows, more...), err
}

func derive() comparison {
	c := comparison{ours: []way{{
		name: "derive the rules of a machine with 8 disks",
		do: func() error {
			d, err := libvirtxml.Parse([]byte(machineXML))
			if err != nil {
				return err
			}
			_, err = svirt.Derive(context.Background(), d, svirt.Options{Method: svirt.Compat90, FS: svirt.HostFS()})
			return err
		},
	}}}
	helper, note := installed("virt-aa-helper", "/usr/lib/libvirt/virt-aa-helper")
	if c.note = note; helper != "" {
		c.theirs = []func() (cost, error){process(machineXML, helper, "--dryrun", "-c", "-u", "libvirt-"+machineUUID)}
	}
	return c
}

// printWork prints the first table. A row with one reference has it in the first of
// their columns.
func printWork(w *bufio.Writer, in *input, rows []comparison, n int) error {
	tw := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	fmt.Fprint(tw, "work\tCPU\twall\tallocs\trate\t")
	columns := in.columns()
	if len(columns) == 0 {
		columns = []program{{name: "reference"}}
	}
	for _, c := range columns {
		fmt.Fprintf(tw, "%s CPU\tratio\twall ratio\t", c.name)
	}
	fmt.Fprintln(tw)
	for _, c := range rows {
		var measure []func() (cost, error)
		for _, o := range c.ours {
			measure = append(measure, ours(o.do))
		}
		costs, err := rounds(n, append(measure, c.theirs...)...)
		if err != nil {
			return err
		}
		theirs := costs[len(c.ours):]
		if len(c.ours) == 0 {
			fmt.Fprintf(tw, "%s\t\t\t\t\t", starting)
			for _, t := range theirs {
				fmt.Fprintf(tw, "%s\t\t\t", short(t.cpu))
			}
			fmt.Fprintf(tw, "%s\n", c.note)
		}
		for i, o := range c.ours {
			rate := ""
			if o.bytes > 0 {
				rate = fmt.Sprintf("%.1f MB/s", float64(o.bytes)/1e6/costs[i].cpu.Seconds())
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\t", o.name, short(costs[i].cpu), short(costs[i].wall), costs[i].allocs, rate)
			for _, t := range theirs {
				fmt.Fprintf(tw, "%s\t%.1f\t%.1f\t", short(t.cpu), float64(t.cpu)/float64(costs[i].cpu), float64(t.wall)/float64(costs[i].wall))
			}
			fmt.Fprintf(tw, "%s\n", c.note)
		}
	}
	return tw.Flush()
}
