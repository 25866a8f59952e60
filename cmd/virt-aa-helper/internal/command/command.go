// SPDX-License-Identifier: Apache-2.0

// Package command is the program virt-aa-helper.
package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/getopt"
	"github.com/goarmor/apparmor/internal/wholefile"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/libvirtxml"
)

// Env is what the command sees of the machine.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Base is the directory of policy; empty means /etc/apparmor.d. Machines'
	// profiles and templates are in its directory libvirt.
	Base string
	// Host is where the paths of a description are looked up; nil means the
	// machine's own files.
	Host fs.ReadLinkFS
	// Loader loads policy; nil means what the option --loader says.
	Loader Loader
}

// Loader puts the profile of a machine into force.
type Loader interface {
	// Load loads the file of a profile. If a profile of the name is loaded and
	// may not be replaced, the error matches fs.ErrExist.
	Load(ctx context.Context, file, profile string, replace bool) error
	// Unload takes the profile out of force. If it is not loaded, the error
	// matches fs.ErrNotExist.
	Unload(ctx context.Context, file, profile string) error
}

// mode is what the command does.
type mode byte

const (
	add     mode = 'a'
	create  mode = 'c'
	remove  mode = 'R' // from the kernel
	erase   mode = 'D' // its rules, too
	replace mode = 'r'
)

// options is what the arguments ask for.
type options struct {
	mode     mode
	dry      bool
	help     bool
	serve    bool
	profile  string // libvirt-UUID
	file     string // one more path
	hasFile  bool
	appended bool // to the existing rules
	method   svirt.Method
	loader   string
	sockets  string   // a directory with one for each machine's sockets; empty: none
	backing  []string // directories of files that only images name
}

func flag(set func(*options)) func(*options, string) error {
	return func(o *options, _ string) error { set(o); return nil }
}

func setMode(m mode) func(*options, string) error { return flag(func(o *options) { o.mode = m }) }

func setFile(appended bool) func(*options, string) error {
	return func(o *options, s string) error {
		o.file, o.hasFile, o.appended = s, true, appended
		return nil
	}
}

// methods are the ways to derive rules, by the words of --policy.
var methods = []struct {
	word   string
	method svirt.Method
}{{"9.0", svirt.Compat90}, {"11.3", svirt.Compat113}, {"12.8", svirt.Compat128}, {"12.9", svirt.Compat129}, {"strict", svirt.Strict}}

func setPolicy(o *options, s string) error {
	for _, m := range methods {
		if m.word == s {
			o.method = m.method
			return nil
		}
	}
	return getopt.Error(fmt.Sprintf("unknown policy %q; it is 9.0, 11.3, 12.8, 12.9 or strict", s))
}

func setLoader(o *options, s string) error {
	switch s {
	case "auto", "own", "parser":
		o.loader = s
		return nil
	}
	return getopt.Error(fmt.Sprintf("unknown loader %q; it is auto, own or parser", s))
}

// table returns the options in the order of the help.
func table() []getopt.Option[options] {
	return []getopt.Option[options]{
		{Long: []string{"add"}, Short: 'a', Help: "load the profile", Set: setMode(add)},
		{Long: []string{"create"}, Short: 'c', Help: "make the profile from its template, and load it", Set: setMode(create)},
		{Long: []string{"delete"}, Short: 'D', Help: "unload the profile, and remove the machine's rules", Set: setMode(erase)},
		{Long: []string{"replace"}, Short: 'r', Help: "derive the rules again, and load the profile", Set: setMode(replace)},
		{Long: []string{"remove"}, Short: 'R', Help: "unload the profile", Set: setMode(remove)},
		{Long: []string{"dryrun"}, Short: 'd', Help: "print what would be written, and do nothing", Set: flag(func(o *options) { o.dry = true })},
		{Long: []string{"uuid"}, Short: 'u', Takes: getopt.Needed, Value: "name", Help: "name of the profile: libvirt- and the UUID", Set: func(o *options, s string) error { o.profile = s; return nil }},
		{Long: []string{"add-file"}, Short: 'f', Takes: getopt.Needed, Value: "path", Help: "grant one more path, with the rules of the description", Set: setFile(false)},
		{Long: []string{"append-file"}, Short: 'F', Takes: getopt.Needed, Value: "path", Help: "grant one more path, after the existing rules", Set: setFile(true)},
		{Long: []string{"policy"}, Takes: getopt.Needed, Value: "how", Help: "how rules are derived: 9.0, 11.3, 12.8, 12.9 or strict", Set: setPolicy},
		{Long: []string{"loader"}, Takes: getopt.Needed, Value: "who", Help: "who loads policy: own, parser, or auto", Set: setLoader},
		{Long: []string{"serve"}, Help: "do what one request of a svirt.Helper on standard input says", Set: flag(func(o *options) { o.serve = true })},
		{Long: []string{"help"}, Short: 'h', Help: "print this", Set: flag(func(o *options) { o.help = true })},
	}
}

func help() string {
	var w strings.Builder
	fmt.Fprint(&w, "virt-aa-helper MODE [OPTIONS] [< DOMAIN.xml]\n\n")
	for _, o := range table() {
		name := "    --" + o.Long[0]
		if o.Short != 0 {
			name = fmt.Sprintf("-%c, --%s", o.Short, o.Long[0])
		}
		if o.Takes == getopt.Needed {
			name += " " + strings.ToUpper(o.Value)
		}
		fmt.Fprintf(&w, "  %-24s %s\n", name, o.Help)
	}
	fmt.Fprint(&w, "\nlibvirtd runs this program; people rarely need it.\n")
	return w.String()
}

// run is one run of the command.
type run struct {
	options
	env    Env
	uuid   string
	loader Loader
	store  store
}

// maxInput is the longest description, template or profile, as in libvirt's
// helper.
const maxInput = 10 << 20

// likelyInput is more than most descriptions have.
const likelyInput = 16 << 10

// The files of a machine, and the reasons to refuse one.
var (
	errNoProfile = errors.New("profile does not exist")
	errProfile   = errors.New("profile exists")
	errUUID      = errors.New("given uuid does not match XML uuid")
	errTooLong   = &diag.LimitError{What: "input in bytes", Limit: maxInput, Got: maxInput + 1}
)

// Run runs the command with the arguments, without the program's name, and
// returns the exit status: 0, or 1 after a message.
func Run(ctx context.Context, args []string, env Env) int {
	if env.Base == "" {
		env.Base = "/etc/apparmor.d"
	}
	if env.Host == nil {
		env.Host = svirt.HostFS()
	}
	s := store{filepath.Join(env.Base, "libvirt")}
	o, err := s.settings(env.Host)
	if err == nil {
		p := getopt.Parser[options]{Options: table(), Done: func(o *options) bool { return o.help }}
		_, err = p.Parse(&o, args) // operands are ignored
	}
	r := &run{options: o, env: env, loader: env.Loader, store: s}
	switch {
	case err != nil:
	case o.help:
		_, err = io.WriteString(env.Stdout, help())
	case o.serve:
		err = r.serve(ctx)
	default:
		err = r.do(ctx)
	}
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			r.say("error: " + strings.TrimSuffix(line, "\n"))
		}
		return 1
	}
	return 0
}

// serve answers a manager that hands this program what concerns the kernel.
func (r *run) serve(ctx context.Context) (err error) {
	driver, err := svirt.OpenAppArmor(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, driver.Kernel.Close()) }()
	return svirt.ServeHelper(ctx, r.env.Stdin, r.env.Stdout, driver)
}

// say writes a line to standard error.
func (r *run) say(line string) { r.write("virt-aa-helper: " + line + "\n") }

// write writes to standard error. Nothing can be done if that is broken.
func (r *run) write(text string) { _, _ = io.WriteString(r.env.Stderr, text) }

func (r *run) warn(format string, args ...any) {
	r.say("warning: " + fmt.Sprintf(format, args...))
}

// do finds the machine and does the work on it, while other helpers wait.
func (r *run) do(ctx context.Context) error {
	uuid, ok := strings.CutPrefix(r.profile, "libvirt-")
	if !ok || svirt.CheckUUID(strings.ToLower(uuid)) != nil {
		return errors.New("invalid UUID")
	}
	// Descriptions have it in lower case; an argument in another case is not
	// the name of a machine.
	if r.uuid = uuid; strings.ToLower(uuid) != uuid {
		return errUUID
	}
	if r.mode == 0 {
		r.write(help())
		return errors.New("no mode is given")
	}
	if r.loader == nil {
		r.loader = r.newLoader()
	}
	if !r.dry {
		unlock, err := r.store.lock(ctx, r.profile)
		if err != nil {
			return err
		}
		defer unlock()
	}
	switch r.mode {
	case add:
		return r.add(ctx)
	case remove, erase:
		return r.unload(ctx)
	case create:
		return r.create(ctx)
	}
	return r.replace(ctx)
}

// add loads a profile that is on disk.
func (r *run) add(ctx context.Context) error {
	if !r.store.exists(r.profile) {
		return errNoProfile
	}
	if r.dry {
		return nil
	}
	return r.loader.Load(ctx, r.store.path(r.profile), r.profile, false)
}

// unload takes a profile out of force; its file stays, with what an
// administrator wrote in it.
func (r *run) unload(ctx context.Context) error {
	if !r.store.exists(r.profile) {
		return errNoProfile
	}
	if r.dry {
		return nil
	}
	err := r.loader.Unload(ctx, r.store.path(r.profile), r.profile)
	if errors.Is(err, fs.ErrNotExist) {
		r.warn("unable to unload already unloaded profile")
		err = nil
	}
	if r.mode == erase {
		// The rules describe devices of a machine that has ended.
		err = errors.Join(err, r.store.remove(r.files()))
	}
	return err
}

// files is the name of the file of the machine's rules.
func (r *run) files() string { return r.profile + ".files" }

// machine is the result of a description.
type machine struct {
	domain *svirt.Domain
	rules  *svirt.Rules
	// also are rules that the description does not say, such as those of the
	// machine's directory for sockets.
	also string
	// more are the rules of the path to append.
	more string
}

// hasFiles reports whether the profile includes rules of its own. A container
// has none: its template says what it may use.
func (m *machine) hasFiles() bool { return m.domain.Type != "lxc" }

// undeclared returns a text without a declaration of XML that it is UTF-16.
func undeclared(text []byte) []byte {
	return regexp.MustCompile(`^(<\?xml[^>]*?)\s+encoding\s*=\s*["'](?i:utf-16)["']`).ReplaceAll(text, []byte("$1"))
}

// derive reads the description and derives the rules.
func (r *run) derive(ctx context.Context) (*machine, error) {
	text, err := wholefile.Read(r.env.Stdin, likelyInput, maxInput)
	switch {
	case err != nil:
		return nil, fmt.Errorf("could not read xml file: %w", err)
	case len(text) > maxInput:
		return nil, fmt.Errorf("could not read xml file: %w", errTooLong)
	}
	// libvirtd ends the text with a NUL, where it ends for the reference. The
	// number in it is libvirtd's own.
	if r.method == svirt.Strict {
		text = bytes.TrimRight(text, "\x00")
	} else {
		text, _, _ = bytes.Cut(text, []byte{0})
	}
	if r.method == svirt.Compat90 {
		// Its libxml2 goes by what the bytes look like, and they are not UTF-16
		// if this is found in them.
		text = undeclared(text)
	}
	m := &machine{}
	if m.domain, err = libvirtxml.ParseLive(text); err != nil {
		return nil, fmt.Errorf("could not get VM definition: %w", err)
	}
	if m.domain.UUID != r.uuid {
		return nil, fmt.Errorf("%w\ninvalid VM definition", errUUID)
	}
	if m.rules, err = r.rules(ctx, m.domain); err != nil {
		return nil, err
	}
	if m.also, err = r.socketRules(ctx); err != nil {
		return nil, err
	}
	if !r.hasFile {
		return m, nil
	}
	if !filepath.IsAbs(r.file) {
		r.warn("%s", r.file)
		r.warn("skipped non-absolute path")
		return m, nil
	}
	if r.method == svirt.Strict {
		return m, r.deriveFile(ctx, m)
	}
	with := *m.domain
	with.Devices.Extra = append(with.Devices.Extra[:len(with.Devices.Extra):len(with.Devices.Extra)], r.grant())
	all, err := r.rules(ctx, &with)
	if err != nil {
		return nil, err
	}
	if r.appended {
		m.more = strings.TrimPrefix(string(all.AppendText(nil)), string(m.rules.AppendText(nil)))
	} else {
		m.rules = all
	}
	return m, nil
}

// grant is the path of -f and -F.
func (r *run) grant() svirt.PathGrant {
	return svirt.PathGrant{ID: "file", Path: r.file, Perms: "rwk"}
}

// libvirtNodes are the nodes in /dev that libvirtd adds for devices of the host
// and on its own behalf. The kind of a device is not said with them, and a
// description that has the device is checked by that.
var libvirtNodes = []string{
	"userfaultfd", "sg[0-9]*", "vfio/vfio", "vfio/[0-9]*", "vfio/devices/vfio[0-9]*", "iommu", "bus/usb/[0-9]*/[0-9]*", "input/event[0-9]*",
	"sev", "sgx_vepc", "sgx_provision", "dri/renderD[0-9]*", "vhost-vdpa-[0-9]*", "tpm[0-9]*",
}

// notBlock are what else there is in /dev for a machine: nodes that every process
// may have, and files.
var notBlock = []string{"null", "zero", "full", "random", "urandom", "kvm", "vhost-net", "vhost-vsock", "shm/*", "hugepages*/*", "hugepages*/libvirt/qemu/*"}

// deriveFile derives the rules of the path of -f or -F under the strict policy.
// libvirt ends one with /{,**} for a directory and what is below it.
func (r *run) deriveFile(ctx context.Context, m *machine) error {
	g, roots := r.grant(), svirt.Roots{}
	for _, end := range []string{"/{,**}", "/**"} {
		if dir, ok := strings.CutSuffix(g.Path, end); ok && dir != "" {
			g.Path, g.Recursive = dir, true
			break
		}
	}
	// The machine with nothing but this. Without a type it has none of the files
	// that every machine has.
	d := &svirt.Domain{Name: m.domain.Name, UUID: m.domain.UUID, ID: m.domain.ID}
	if name, ok := strings.CutPrefix(g.Path, "/dev/"); ok && !g.Recursive {
		in := func(list []string) bool {
			return slices.ContainsFunc(list, func(p string) bool { ok, _ := path.Match(p, name); return ok })
		}
		if in(libvirtNodes) {
			roots.Extra = []string{g.Path}
		} else if !in(notBlock) {
			// Whether it is one, and whether the host uses it, is looked up.
			d.Devices.Disks = []svirt.Disk{{ID: "file", Image: svirt.Image{Type: svirt.ImageBlock, Path: g.Path, Format: "raw"}}}
		}
	}
	if d.Devices.Disks == nil {
		d.Devices.Extra = []svirt.PathGrant{g}
	}
	rules, err := r.rulesIn(ctx, d, roots)
	if err != nil {
		return err
	}
	m.more = string(rules.AppendText(nil))
	if !r.appended {
		m.also, m.more = m.also+m.more, ""
	}
	return nil
}

func (r *run) rules(ctx context.Context, d *svirt.Domain) (*svirt.Rules, error) {
	return r.rulesIn(ctx, d, svirt.Roots{})
}

// rulesIn derives rules with what is open to the machine.
func (r *run) rulesIn(ctx context.Context, d *svirt.Domain, in svirt.Roots) (*svirt.Rules, error) {
	rules, err := svirt.Derive(ctx, d, svirt.Options{Method: r.method, FS: r.env.Host, Live: true, Backing: r.backing, Roots: in})
	if err != nil {
		return nil, r.explain(err)
	}
	return rules, nil
}

// explain says what an administrator can do about a refusal.
func (r *run) explain(err error) error {
	var refused *svirt.PathError
	if errors.As(err, &refused) && refused.Reason == svirt.ReasonBacking {
		err = fmt.Errorf("%w\n\"backing DIR\" in %s names directories with such files", err, r.store.path(settingsFile))
	}
	return fmt.Errorf("%w\ninvalid VM definition", err)
}

// socketRules grants the machine's directory of those that the settings name. It
// is the administrator's word, so it is not held against where sockets are by
// custom, as what a description says is.
func (r *run) socketRules(ctx context.Context) (string, error) {
	if r.sockets == "" || r.method != svirt.Strict {
		return "", nil
	}
	grant := svirt.PathGrant{ID: "sockets", Path: path.Join(r.sockets, r.uuid), Perms: "rw", Recursive: true}
	d := &svirt.Domain{Name: "sockets", UUID: r.uuid, Devices: svirt.Devices{Extra: []svirt.PathGrant{grant}}}
	rules, err := svirt.Derive(ctx, d, svirt.Options{FS: r.env.Host, Roots: svirt.Roots{Extra: []string{r.sockets}}})
	if err != nil {
		return "", fmt.Errorf("%s: %w", r.store.path(settingsFile), err)
	}
	return string(rules.AppendText(nil)), nil
}

// create makes a machine's files from its description, and loads the profile.
// On an error neither file is left.
func (r *run) create(ctx context.Context) error {
	if r.store.exists(r.profile) {
		return errProfile
	}
	m, err := r.derive(ctx)
	if err != nil {
		return err
	}
	if r.dry {
		return r.print(m)
	}
	text, err := r.instantiate(m)
	if err != nil {
		return errors.Join(fmt.Errorf("could not create profile: %w", err), r.store.remove(r.files()))
	}
	if m.hasFiles() {
		if err := r.store.write(r.files(), m.file()); err != nil {
			return err
		}
	}
	if err = r.store.write(r.profile, []byte(text)); err == nil {
		err = r.loader.Load(ctx, r.store.path(r.profile), r.profile, false)
	}
	if err != nil {
		return errors.Join(err, r.store.remove(r.profile), r.store.remove(r.files()))
	}
	return nil
}

// replace derives the rules again, or appends one, and loads the profile.
func (r *run) replace(ctx context.Context) error {
	if !r.dry && !r.store.exists(r.profile) {
		return errNoProfile
	}
	m, err := r.derive(ctx)
	if err != nil {
		return err
	}
	if r.dry {
		return r.print(m)
	}
	old, err := r.store.read(r.files())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if r.store.empty(r.profile) {
		if err := r.refill(ctx, m); err != nil {
			return err
		}
	}
	if m.hasFiles() {
		if text := r.updated(m, old); !bytes.Equal(text, old) || err != nil {
			if err := r.store.write(r.files(), text); err != nil {
				return err
			}
		}
	}
	if err := r.loader.Load(ctx, r.store.path(r.profile), r.profile, true); err != nil {
		return errors.Join(err, r.takeBack(m, old))
	}
	return nil
}

// updated returns the text of the rules' file.
func (r *run) updated(m *machine, old []byte) []byte {
	if !r.appended {
		return m.file()
	}
	if len(old) == 0 {
		old = m.file()
	}
	// Helpers before 12.8 appended a rule every time.
	if r.method != svirt.Compat90 && r.method != svirt.Compat113 && bytes.Contains(old, []byte(m.more)) {
		return old
	}
	return append(old[:len(old):len(old)], m.more...)
}

// takeBack undoes what replace wrote when the profile could not be loaded. What
// is in force stays in force. As libvirtd expects it of its helper, the rules are
// removed; under the strict policy the old ones come back, so that the file
// says what is in force.
func (r *run) takeBack(m *machine, old []byte) error {
	switch {
	case !m.hasFiles():
		return nil
	case r.method == svirt.Strict && old != nil:
		return r.store.write(r.files(), old)
	}
	return r.store.remove(r.files())
}

// refill remakes a profile whose file is empty, as a full disk leaves it.
func (r *run) refill(ctx context.Context, m *machine) error {
	r.warn("Profile of 0 size detected, will attempt to remove it")
	if err := r.loader.Unload(ctx, r.store.path(r.profile), r.profile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("could not remove profile: %w", err)
	}
	text, err := r.instantiate(m)
	if err != nil {
		return fmt.Errorf("could not create profile: %w", err)
	}
	return r.store.write(r.profile, []byte(text))
}

// instantiate makes the text of the profile from its template.
func (r *run) instantiate(m *machine) (string, error) {
	name, err := svirt.TemplateFor(m.domain.Type)
	if err != nil {
		return "", err
	}
	name = path.Base(name) // the store is the directory that holds it
	text, err := r.store.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("template does not exist: %w", err)
	} else if err != nil {
		return "", err
	}
	return svirt.InstantiateCompat(r.method, name, string(text), r.uuid, m.hasFiles())
}

// file is the text of the file of the machine's rules.
func (m *machine) file() []byte { return append(m.rules.AppendFile(nil), m.also...) }

// print shows what a run would write without --dryrun, in the form of
// libvirt's helper.
func (r *run) print(m *machine) error {
	sections := []string{r.store.path(r.files()), string(m.rules.AppendText(nil)) + m.also}
	switch {
	case r.appended:
		sections[1] = m.more
	case r.mode == create:
		sections = append(sections, r.store.path(r.profile), r.profile)
		if m.hasFiles() {
			sections = append(sections, "  #include <libvirt/"+r.files()+">\n")
		}
	}
	for _, s := range sections {
		if _, err := fmt.Fprintf(r.env.Stdout, "virt-aa-helper:\n%s\n", s); err != nil {
			return err
		}
	}
	return nil
}

// newLoader returns the loader that the options name.
func (r *run) newLoader() Loader {
	own, other := &ownLoader{base: r.env.Base, warn: r.warn}, parserLoader{path: parserPath}
	switch r.options.loader {
	case "own":
		return own
	case "parser":
		return other
	}
	return eitherLoader{own, other}
}

// exists reports whether a file of that name exists, even a link that leads
// nowhere.
func (s store) exists(name string) bool {
	_, err := os.Lstat(s.path(name))
	return err == nil
}
