// SPDX-License-Identifier: Apache-2.0

//go:build unix

package svirt_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/svirt"
)

// forgetful compiles as the kernel's driver does and keeps nothing of what is
// loaded, as the kernel has that in memory of its own.
type forgetful struct {
	svirt.AppArmor
	loading func() // called by Load, if not nil

	mu           sync.Mutex
	inHand, most int // policies that are compiled, or being compiled, and not yet in force
}

func newForgetful(tb testing.TB) *forgetful {
	tb.Helper()
	set, ok := features.Kernel("6.12")
	if !ok {
		tb.Fatal("the features of 6.12 are unknown")
	}
	return &forgetful{AppArmor: svirt.AppArmor{Features: set, Degrade: compile.Report}}
}

func (f *forgetful) add(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inHand += n
	f.most = max(f.most, f.inHand)
	return f.inHand
}

func (f *forgetful) Compile(ctx context.Context, src *svirt.Source) (svirt.Compiled, error) {
	f.add(1)
	return f.AppArmor.Compile(ctx, src)
}

func (f *forgetful) Load(context.Context, svirt.Compiled, loader.Accept) error {
	if f.loading != nil {
		f.loading()
	}
	f.add(-1)
	return nil
}

func (f *forgetful) Unload(context.Context, string, loader.RetireOptions) error { return nil }
func (f *forgetful) List(context.Context) ([]svirt.Loaded, error)               { return nil, nil }
func (f *forgetful) Sealed(context.Context, string) (bool, error)               { return false, nil }
func (f *forgetful) InUse(context.Context, string) (bool, error)                { return false, nil }

const disksEach = 8

// manyMachines has machines with a few disks each, and a Manager for them.
type manyMachines struct {
	manager *svirt.Manager
	next    int
}

// images is a file system with any number of images in srv, which looks for each as
// fast as for one.
type images struct{ fstest.MapFS }

func newImages() images { return images{fstest.MapFS{"srv/image": {Data: make([]byte, 512)}}} }

func (images) one(name string) string {
	if strings.HasPrefix(name, "srv/") {
		return "srv/image"
	}
	return name
}

func (f images) Open(name string) (fs.File, error)      { return f.MapFS.Open(f.one(name)) }
func (f images) Lstat(name string) (fs.FileInfo, error) { return f.MapFS.Lstat(f.one(name)) }

func newMachines(tb testing.TB, driver svirt.Driver) *manyMachines {
	tb.Helper()
	m, err := svirt.New(tb.Context(), svirt.ManagerOptions{Dir: tb.TempDir(), Driver: driver, Derive: svirt.Options{FS: newImages()}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := m.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &manyMachines{manager: m}
}

func machineUUID(i int) string { return fmt.Sprintf("7d3e5a34-1c0f-4f4e-9d0a-%012d", i) }

// create creates n more machines, by as many goroutines as there are workers.
func (m *manyMachines) create(tb testing.TB, n, workers int) {
	tb.Helper()
	next := make(chan *svirt.Domain)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for d := range next {
				if err := m.manager.Create(tb.Context(), d); err != nil {
					tb.Error(err)
				}
			}
		})
	}
	for range n {
		d := &svirt.Domain{UUID: machineUUID(m.next), Name: fmt.Sprint("m", m.next), Type: "kvm"}
		for i := range disksEach {
			d.Devices.Disks = append(d.Devices.Disks, svirt.Disk{
				ID: fmt.Sprint("disk", i), Image: svirt.Image{Path: fmt.Sprintf("/srv/%d", m.next*disksEach+i), Format: "raw"},
			})
		}
		m.next++
		next <- d
	}
	close(next)
	wg.Wait()
}

// heap is what the heap holds after a collection.
func heap() int64 {
	// Pools are emptied by the second one.
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// crowd returns what a driver does when it loads: the first time, it waits until as
// many policies are in hand as may be, and then whether there come to be more.
// The others wait for that.
func (f *forgetful) crowd(bound int) func() {
	var once sync.Once
	full := make(chan struct{})
	return func() {
		once.Do(func() {
			for f.add(0) < bound {
				runtime.Gosched()
			}
			// Others have every opportunity.
			for range 10_000 {
				runtime.Gosched()
			}
			close(full)
		})
		<-full
	}
}

// TestMachinesInHand has many goroutines create machines, and load them again.
func TestMachinesInHand(t *testing.T) {
	bound := max(16, 4*runtime.GOMAXPROCS(0))
	n := 4 * bound
	f := newForgetful(t)
	m := newMachines(t, f)
	f.loading = f.crowd(bound)
	m.create(t, n, n)
	if f.most != bound {
		t.Errorf("create: at most %d machines were in hand, want %d", f.most, bound)
	}
	f.most, f.loading = 0, f.crowd(bound)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := m.manager.Load(t.Context(), machineUUID(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if f.most != bound {
		t.Errorf("load: at most %d machines were in hand, want %d", f.most, bound)
	}
}

// TestMachineMemory looks at what a Manager remembers of each machine: it is the
// claims of its images, and nothing of its policy.
func TestMachineMemory(t *testing.T) {
	const first, more = 50, 150
	m := newMachines(t, newForgetful(t))
	m.create(t, first, 4)
	before := heap()
	m.create(t, more, 4)
	per := (heap() - before) / more
	t.Logf("%d bytes for each machine", per)
	if per > 4<<10 {
		t.Errorf("%d bytes for each machine, want 4096 at most", per)
	}
	runtime.KeepAlive(m)
}

// BenchmarkMachines creates 1,000 machines and reports what stays in the heap for
// each, the greatest memory that was resident of the whole process, and the
// processor time for each: that of the library and, apart, of the kernel, which
// writes and syncs two files. With TMPDIR on a tmpfs that is a fraction of what a
// disk takes.
func BenchmarkMachines(b *testing.B) {
	const n = 1000
	for _, workers := range []int{2, n} {
		b.Run(fmt.Sprintf("%d-workers", workers), func(b *testing.B) {
			for b.Loop() {
				m := newMachines(b, newForgetful(b))
				before := heap()
				resetPeak(b)
				user, system := times(b)
				m.create(b, n, workers)
				u, s := times(b)
				b.ReportMetric(float64(u-user)/n, "user-ns/machine")
				b.ReportMetric(float64(s-system)/n, "system-ns/machine")
				b.ReportMetric(float64(peak(b))/1e6, "peak-MB")
				b.ReportMetric(float64(heap()-before)/n, "heap-B/machine")
				runtime.KeepAlive(m)
			}
		})
	}
}

// times is the processor time of this process, in nanoseconds.
func times(b *testing.B) (user, system int64) {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano(), u.Stime.Nano()
}

// resetPeak makes the kernel forget the greatest memory that was resident.
func resetPeak(b *testing.B) {
	b.Helper()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Skip("the peak of memory cannot be measured here: ", err)
	}
}

// peak is the greatest memory that was resident, in bytes.
func peak(b *testing.B) int64 {
	b.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return kb << 10
		}
	}
	b.Fatal("no VmHWM in /proc/self/status")
	return 0
}
