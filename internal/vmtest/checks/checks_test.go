package checks

import (
	"os"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/vmtest/guest"
)

func TestMain(m *testing.M) { os.Exit(guest.Main(m, nil)) }

// TestGuest checks that the guest is what the other tests rely on.
func TestGuest(t *testing.T) {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	if want := guest.Series() + "."; !strings.HasPrefix(string(release), want) {
		t.Errorf("kernel %s, want %s", release, want)
	}
	for name, want := range map[string]string{
		"/sys/module/apparmor/parameters/enabled": "Y",
		"/proc/self/attr/apparmor/current":        "unconfined",
	} {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := strings.TrimSpace(string(got)); got != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
}
