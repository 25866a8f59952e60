// SPDX-License-Identifier: Apache-2.0

package svirtexpvar_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/svirtexpvar"
)

func TestMetrics(t *testing.T) {
	m := svirtexpvar.New()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			m.Compiled(svirt.Measured{Duration: time.Microsecond, Bytes: 3})
			m.Compiled(svirt.Measured{Duration: time.Microsecond, Err: errors.New("x")})
			m.Loaded(svirt.Measured{Duration: time.Microsecond, Bytes: 5})
			m.Loaded(svirt.Measured{Bytes: 5, Err: errors.New("x")})
			m.Refused(svirt.Measured{})
			m.Denied(svirt.Measured{Class: "file"})
			m.Denied(svirt.Measured{Class: "made up by somebody"})
		})
	}
	wg.Wait()
	var counts map[string]int64
	if err := json.Unmarshal([]byte(m.String()), &counts); err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{
		"compiled": 10, "compile_failed": 10, "compile_ns": 20000, "compile_bytes": 30,
		"loaded": 10, "load_failed": 10, "load_ns": 10000, "load_bytes": 100, "refused": 10, "denied": 20, "denied_file": 10,
	}
	for name, n := range want {
		if counts[name] != n || m.Get(name) != n {
			t.Errorf("%s: %d, want %d", name, counts[name], n)
		}
	}
	if len(counts) != len(want) || m.Get("none") != 0 {
		t.Errorf("%v", counts)
	}
}

func ExampleNew() {
	metrics := svirtexpvar.New() // expvar.Publish("machines", metrics)
	metrics.Refused(svirt.Measured{UUID: "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11"})
	fmt.Println(metrics.Get("refused"))
	// Output: 1
}
