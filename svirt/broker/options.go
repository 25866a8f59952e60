// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/goarmor/apparmor/svirt"
)

// Peer is who asks, by the kernel's word.
type Peer struct {
	UID    uint32   // user
	GID    uint32   // group
	Groups []uint32 // supplementary
	PID    int      // 0: not known
}

// Options are those of a Broker. The zero value serves all accounts of people
// with the AppArmor of the running kernel.
type Options struct {
	// Dir is where the files of machines are, in a directory for each user;
	// /var/lib/apparmor-broker when empty. It is made if it is not there, and must
	// belong to root or the own user.
	Dir string
	// Prefix is what names of profiles begin with, before the number of the user;
	// libvirt-session- when empty.
	Prefix string
	// Driver is what machines are confined with; nil: the AppArmor of the running
	// kernel.
	Driver svirt.Driver
	// Types are the types of machines, which decide which template each gets;
	// nil: the empty one, of a VMM without libvirt.
	Types []string
	// Companions are the kinds of companions that machines may have; nil: none.
	Companions []svirt.CompanionKind
	// Roots are where files of a user's machines may be, besides what the user
	// may open; nil: HomeRoots.
	Roots func(Peer) (svirt.Roots, error)
	// Allow reports why somebody is not served; nil: Accounts.
	Allow func(Peer) error
	// Namespaces reports why a user whom Allow serves gets no policy namespace,
	// see Client.Namespace; nil: nobody gets one. What users load there is not
	// bounded by Limits, reaches the kernel's own reader of policy, and is open
	// to every process that is not confined, since kernels know no owner of a
	// policy namespace.
	Namespaces func(Peer) error
	// Limits bound what users take of the host.
	Limits Limits
	// Logger gets messages about what happens; nil means none. Each request is a
	// message "request" with the attributes verdict (done or refused), uid and
	// pid of who asks, and where they are known op, machine and companion, and
	// error.
	Logger *slog.Logger
}

// Limits bound what users take of the host. What is zero is the default.
type Limits struct {
	// Machines is how many machines a user may have; 64.
	Machines int `json:"machines,omitempty"`
	// PolicyBytes is how much compiled policy a user may have in force, in bytes;
	// 64 MiB.
	PolicyBytes int64 `json:"policy_bytes,omitempty"`
	// Rules is how many rules a machine or a companion may have of its own; 4096.
	Rules int `json:"rules,omitempty"`
	// RequestBytes is the longest request, in bytes; 1 MiB.
	RequestBytes int `json:"request_bytes,omitempty"`
	// InFlight is how many connections a user may have at a time, those that wait
	// for another among them; 8.
	InFlight int `json:"in_flight,omitempty"`
	// Connections is how many connections there may be of all users; 256.
	Connections int `json:"connections,omitempty"`
	// Users is how many users' machines are kept track of at a time; 1024. Those
	// who ask for nothing are forgotten, their machines stay.
	Users int `json:"users,omitempty"`
	// ReadTimeout is how long a client may take to send its request, and to take
	// the reply; 5 seconds.
	ReadTimeout time.Duration `json:"read_timeout,omitempty"`
	// RequestTimeout is how long a request may take, waiting among it; 60 seconds.
	RequestTimeout time.Duration `json:"request_timeout,omitempty"`
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Machines:       cmp.Or(l.Machines, 64),
		PolicyBytes:    cmp.Or(l.PolicyBytes, 64<<20),
		Rules:          cmp.Or(l.Rules, 4096),
		RequestBytes:   cmp.Or(l.RequestBytes, 1<<20),
		InFlight:       cmp.Or(l.InFlight, 8),
		Connections:    cmp.Or(l.Connections, 256),
		Users:          cmp.Or(l.Users, 1024),
		ReadTimeout:    cmp.Or(l.ReadTimeout, 5*time.Second),
		RequestTimeout: cmp.Or(l.RequestTimeout, 60*time.Second),
	}
}

func (l Limits) check() error {
	if min(int64(l.Machines), l.PolicyBytes, int64(l.Rules), int64(l.RequestBytes), int64(l.InFlight), int64(l.Connections), int64(l.Users),
		int64(l.ReadTimeout), int64(l.RequestTimeout)) <= 0 {
		return fmt.Errorf("%w: a limit is negative", svirt.ErrOptions)
	}
	return nil
}

// The errors of a Broker that a Client's errors match, besides those of packages
// svirt and loader.
var (
	// ErrRefused: a device, or the machine as a whole, is refused.
	ErrRefused = errors.New("refused")
	// ErrQuota: one of Limits is reached; see QuotaError.
	ErrQuota = errors.New("a limit of the broker is reached")
	// ErrNoPeer: this user, or a process under this profile, is not served.
	ErrNoPeer = errors.New("not served")
)

// ReasonUser is the reason of a *svirt.PathError for what the user who asks
// could not do.
const ReasonUser svirt.Reason = "the user who asks may not use it so"

// QuotaError says which of Limits is reached. It matches ErrQuota.
type QuotaError struct {
	What  string // which is counted
	Limit int64  // how many there may be
	Got   int64  // how many there would be
}

// Error implements error.
func (e *QuotaError) Error() string {
	return fmt.Sprintf("%d %s: the limit is %d", e.Got, e.What, e.Limit)
}

// Is implements errors.Is.
func (e *QuotaError) Is(target error) bool { return target == ErrQuota }

// firstUID is the first number of a person's account, see login.defs(5).
const firstUID = 1000

// overflowUID is whom the kernel names where it cannot name a user.
const overflowUID = 65534

// Accounts serves the accounts of people: those in /etc/passwd with a number from
// 1000 on, without 65534. So it serves none of the many numbers that a user
// namespace gives a user besides.
func Accounts(p Peer) error {
	if p.UID < firstUID || p.UID == overflowUID {
		return fmt.Errorf("user %d is not a person's account: %w", p.UID, ErrNoPeer)
	}
	_, err := home(passwd, p.UID)
	return err
}

// HomeRoots lets the files of machines be in the user's home directory, of
// /etc/passwd, and in /run/user/UID, firmware also where the system has it, and
// programs where the system has programs.
func HomeRoots(p Peer) (svirt.Roots, error) {
	dir, err := home(passwd, p.UID)
	if err != nil {
		return svirt.Roots{}, err
	}
	own := []string{"/run/user/" + strconv.FormatUint(uint64(p.UID), 10)}
	// Of an account whose home is another's, such as / or /var/lib, only what is
	// in /run/user.
	if owner, err := ownerOf(dir); err == nil && owner == p.UID && dir != "/" {
		own = append(own, dir)
	}
	with := func(more ...string) []string { return append(append([]string{}, own...), more...) }
	return svirt.Roots{
		Images: own, Shares: own, Sockets: own, Logs: own, Extra: own,
		Firmware: with("/usr/share"),
		Programs: with("/usr/bin", "/usr/libexec", "/usr/lib"),
	}, nil
}

const passwd = "/etc/passwd"

// home returns the home directory of an account, see passwd(5).
func home(file string, uid uint32) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	want := strconv.FormatUint(uint64(uid), 10)
	lines := bufio.NewScanner(io.LimitReader(f, 16<<20))
	for lines.Scan() {
		if part := strings.Split(lines.Text(), ":"); len(part) == 7 && part[2] == want {
			dir := part[5]
			if !strings.HasPrefix(dir, "/") || !fs.ValidPath(strings.TrimPrefix(dir, "/")) && dir != "/" {
				return "", fmt.Errorf("the home directory of user %d is %q, which is not an absolute path", uid, dir)
			}
			return dir, nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	return "", fmt.Errorf("user %d has no account in %s: %w", uid, file, ErrNoPeer)
}
