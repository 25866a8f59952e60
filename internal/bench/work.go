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
	ours   []way // none: only the reference is measured
	theirs func() (cost, error)
	note   string // in place of theirs
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
func work(in *input) []comparison {
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
	return []comparison{
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
		c.theirs = process(machineXML, helper, "--dryrun", "-c", "-u", "libvirt-"+machineUUID)
	}
	return c
}

func printWork(w *bufio.Writer, rows []comparison, n int) error {
	tw := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "work\tCPU\twall\tallocs\trate\treference CPU\twall\tratio\t")
	for _, c := range rows {
		var measure []func() (cost, error)
		for _, o := range c.ours {
			measure = append(measure, ours(o.do))
		}
		if c.theirs != nil {
			measure = append(measure, c.theirs)
		}
		costs, err := rounds(n, measure...)
		if err != nil {
			return err
		}
		theirs := c.note + "\t"
		if c.theirs != nil {
			t := costs[len(costs)-1]
			theirs = short(t.cpu) + "\t" + short(t.wall)
		}
		if len(c.ours) == 0 {
			fmt.Fprintf(tw, "%s\t\t\t\t\t%s\t\t\n", starting, theirs)
		}
		for i, o := range c.ours {
			rate, ratio := "", ""
			if o.bytes > 0 {
				rate = fmt.Sprintf("%.1f MB/s", float64(o.bytes)/1e6/costs[i].cpu.Seconds())
			}
			if c.theirs != nil {
				ratio = fmt.Sprintf("%.1f", float64(costs[len(costs)-1].cpu)/float64(costs[i].cpu))
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t\n",
				o.name, short(costs[i].cpu), short(costs[i].wall), costs[i].allocs, rate, theirs, ratio)
		}
	}
	return tw.Flush()
}
