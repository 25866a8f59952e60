// SPDX-License-Identifier: Apache-2.0

package libvirtxml_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/libvirtxml"
)

// TestLimits reads documents of just the size, depth and number of elements
// that are allowed, and larger ones.
func TestLimits(t *testing.T) {
	rep := strings.Repeat
	empty := len(document(""))
	elements := strings.Count(document(""), "<") - strings.Count(document(""), "</") - 1 // what comes first is not an element
	deep := func(n int) string { return document(rep("<a>", n) + rep("</a>", n)) }
	const (
		token  = "bytes of a tag, text or comment"
		latin1 = "<?xml version='1.0' encoding='iso-8859-1'?>"
	)
	for _, c := range []struct {
		what     string
		limit    int64
		ok, over string
	}{
		{"bytes of the document", libvirtxml.MaxSize,
			document(spaces(libvirtxml.MaxSize - empty)), document(spaces(libvirtxml.MaxSize - empty + 1))},
		{"nesting of elements", libvirtxml.MaxDepth, deep(libvirtxml.MaxDepth - 2), deep(libvirtxml.MaxDepth - 1)},
		{"attributes of an element", libvirtxml.MaxAttributes, document("<a" + attributes(libvirtxml.MaxAttributes) + "/>"), document("<a" + attributes(libvirtxml.MaxAttributes+1) + "/>")},
		{"elements disk next to each other", libvirtxml.MaxSiblings, document(rep("<disk/>", libvirtxml.MaxSiblings)), document(rep("<disk/>", libvirtxml.MaxSiblings+1))},
		{"elements of the document", libvirtxml.MaxNodes,
			document(rep("<a/>", libvirtxml.MaxNodes-elements)), document(rep("<a/>", libvirtxml.MaxNodes-elements+1))},
		{token, libvirtxml.MaxToken, document("<disk a='" + rep("a", libvirtxml.MaxToken-12) + "'/>"), document("<disk a='" + rep("a", libvirtxml.MaxToken-11) + "'/>")},
		{token, libvirtxml.MaxToken, document("<a>" + rep("a", libvirtxml.MaxToken-1) + "</a>"), document("<a>" + rep("a", libvirtxml.MaxToken) + "</a>")},
		{token, libvirtxml.MaxToken, document("<!--" + rep("a", libvirtxml.MaxToken-7) + "-->"), document("<!--" + rep("a", libvirtxml.MaxToken-6) + "-->")},
		{token, libvirtxml.MaxToken, latin1 + document("<a b='"+rep("a", libvirtxml.MaxToken-9)+"'/>"), latin1 + document("<a b='"+rep("a", libvirtxml.MaxToken-8)+"'/>")},
	} {
		if _, err := libvirtxml.Parse([]byte(c.ok)); err != nil {
			t.Errorf("%s, within: %v", c.what, err)
		}
		_, err := libvirtxml.Parse([]byte(c.over))
		var limit *diag.LimitError
		var e *libvirtxml.Error
		if !errors.As(err, &e) || e.Kind != libvirtxml.TooLarge || !errors.As(err, &limit) || !errors.Is(err, diag.ErrLimit) || limit.What != c.what || limit.Limit != c.limit || limit.Got != c.limit+1 {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// spaces is a number of bytes that say nothing, in texts that are not too long.
func spaces(n int) string {
	const most = libvirtxml.MaxToken / 2
	return strings.Repeat(strings.Repeat(" ", most-8)+"<!-- -->", n/most) + strings.Repeat(" ", n%most)
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d=''", i)
	}
	return b.String()
}

// TestOften repeats elements of which the first counts, as in libvirt.
func TestOften(t *testing.T) {
	d, err := libvirtxml.Parse([]byte(document("<disk><source file='/a'/><source file='/b'/><target dev='vda'/><target dev='vdb'/></disk>")))
	if err != nil {
		t.Fatal(err)
	}
	if disk := d.Devices.Disks[0]; disk.ID != "vda" || disk.Image.Path != "/a" {
		t.Errorf("got %+v", disk)
	}
	if len(d.Warnings) != 1 || d.Warnings[0].Path != "/b" || d.Warnings[0].Device != (svirt.Device{Kind: svirt.DeviceDisk, ID: "vda"}) {
		t.Errorf("got %v", d.Warnings)
	}
}

// hostile are documents of about a size that a reader could take more than its
// time for.
var hostile = []struct {
	name string
	text func(size int) string
}{
	{"disks", func(n int) string {
		return document(fill("<disk type='file'><source file='%d'/><target dev='sda%d'/></disk>", n, libvirtxml.MaxSiblings))
	}},
	{"backing stores", func(n int) string {
		var b strings.Builder
		const deep = 200
		one := strings.Repeat("<backingStore type='file'><source file='/a'/>", deep) + strings.Repeat("</backingStore>", deep)
		for b.Len()+len(one) < n {
			b.WriteString("<disk type='file'><source file='/a'/>" + one + "</disk>")
		}
		return document(b.String())
	}},
	{"leftovers", func(n int) string { return document(fill("<disk><x%d y='/%d'/></disk>", n, libvirtxml.MaxSiblings)) }},
	{"unknown devices", func(n int) string { return document(fill("<x%d y='/%d'/>", n, 1<<30)) }},
	{"unread elements", func(n int) string {
		return document("<controller>" + fill("<a b='%d%d'/>", n, 1<<30) + "</controller>")
	}},
	{"arguments", func(n int) string {
		return strings.Replace(document(""), "<qemu:arg value='-x'/>", fill("<qemu:arg value='%d,%d'/>", n, libvirtxml.MaxSiblings), 1)
	}},
	{"attributes", func(n int) string {
		return document(fill("<disk "+attributes(200)+" c='%d' d='%d'/>", n, libvirtxml.MaxSiblings))
	}},
	{"depth", func(n int) string {
		return document(strings.Repeat(strings.Repeat("<a>", 200)+strings.Repeat("</a>", 200), n/1400))
	}},
	{"text", func(n int) string { return document(long("<a>", "&lt;/", "</a>", n)) }},
	{"cdata", func(n int) string { return document(long("<a><![CDATA[", "]", "]]></a>", n)) }},
	{"values", func(n int) string { return document(long("<disk><source file='", "/", "'/></disk>", n)) }},
	{"entities", func(n int) string { return document(long("<disk><source file='", "&amp;", "'/></disk>", n)) }},
	{"long names", func(n int) string { return document(long("<disk ", "a", "='/'/>", n)) }},
	{"long elements", func(n int) string { return document(long("<", "a", "/>", n)) }},
	{"comments", func(n int) string { return document(strings.Repeat("<!-- -->", n/8)) }},
	{"long comments", func(n int) string { return document(long("<!--", " ", "-->", n)) }},
}

// long repeats what is as long as it may be.
func long(before, what, after string, size int) string {
	one := before + strings.Repeat(what, (libvirtxml.MaxToken-len(before)-len(after))/len(what)) + after
	if size < len(one) {
		return before + strings.Repeat(what, size/len(what)) + after
	}
	return strings.Repeat(one, size/len(one))
}

// fill repeats a form with two numbers up to a size, and most times at most.
func fill(form string, size, most int) string {
	var b strings.Builder
	for i := 0; b.Len() < size && i < most; i++ {
		fmt.Fprintf(&b, form, i, i)
	}
	return b.String()
}

// TestLinear counts what documents of 256 KiB and of ten times that take: memory,
// which does not depend on how busy the machine is.
func TestLinear(t *testing.T) {
	for _, h := range hostile {
		cost := func(size int) (int, uint64) {
			text := []byte(h.text(size))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _ = libvirtxml.Parse(text) // most are refused
			runtime.ReadMemStats(&after)
			return len(text), after.TotalAlloc - before.TotalAlloc
		}
		small, one := cost(1 << 18)
		large, ten := cost(10 << 18)
		if one == 0 || float64(ten)/float64(one) > 1.5*max(1, float64(large)/float64(small)) {
			t.Errorf("%s: %d bytes allocate %d, %d bytes %d", h.name, small, one, large, ten)
		}
	}
}

// BenchmarkHostile says how long a byte takes.
func BenchmarkHostile(b *testing.B) {
	for _, h := range hostile {
		for _, size := range []int{1 << 20, 10<<20 - 4096} {
			text := []byte(h.text(size))
			b.Run(fmt.Sprintf("%s/%dMB", strings.ReplaceAll(h.name, " ", "-"), (size+1<<19)>>20), func(b *testing.B) {
				for b.Loop() {
					_, _ = libvirtxml.Parse(text) // most are refused
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(text)), "ns/byte")
			})
		}
	}
}
