// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/goarmor/apparmor/blob"
)

// Digest returns the digest of the policy that a profile was loaded from,
// which may have held other profiles too. Name is as in Remove. The error
// matches ErrNotExist if there is no such profile, and ErrNoDigest if the
// kernel does not show what it was loaded from.
func (k *Kernel) Digest(ctx context.Context, name string) (Digest, error) {
	if err := ctx.Err(); err != nil {
		return Digest{}, err
	}
	_, dir, err := k.lookup(ctx, name)
	var d Digest
	if err == nil {
		d, err = k.digest(dir)
	}
	if err != nil {
		return Digest{}, k.fail(OpDigest, name, err)
	}
	return d, nil
}

// digest reads the digest of the profile in a directory: raw_sha256, which
// kernels show since 6.8, raw_sha1 before that or, if both are missing, the
// digest of raw_data, the copy itself.
func (k *Kernel) digest(dir string) (Digest, error) {
	for _, algorithm := range []Algorithm{SHA256, SHA1} {
		sum, err := k.policy.readLine(dir + "/raw_" + string(algorithm))
		switch {
		case err == nil && len(sum) == algorithm.hexLen() && isHex(sum):
			return Digest{algorithm, sum}, nil
		case err == nil:
			return Digest{}, fmt.Errorf("%w: %s %q", errAnswer, algorithm, sum)
		case !errors.Is(err, fs.ErrNotExist):
			return Digest{}, err
		}
	}
	data, err := k.policy.read(dir + "/raw_data")
	if err == nil {
		sum := sha256.Sum256(data)
		return Digest{SHA256, hex.EncodeToString(sum[:])}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Digest{}, err
	}
	// The profile may have gone with its files.
	if _, err := k.policy.readLine(dir + "/name"); err != nil {
		return Digest{}, err
	}
	return Digest{}, ErrNoDigest
}

func isHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}

// Holds reports whether every profile of p is loaded from exactly these bytes.
// It says nothing about the mode of the kernel; see Confines. The error
// matches ErrNoDigest if the kernel does not show it.
func (k *Kernel) Holds(ctx context.Context, p *blob.Policy) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if p == nil || p.Len() == 0 {
		return false, k.fail(OpDigest, "", errEmpty)
	}
	same, err := k.holds(ctx, FingerprintOf(p))
	if err != nil {
		return false, k.fail(OpDigest, names(p), err)
	}
	return same, nil
}

func (k *Kernel) holds(ctx context.Context, f Fingerprint) (bool, error) {
	for name := range f.profiles() {
		_, dir, err := k.lookup(ctx, name)
		var d Digest
		if err == nil {
			d, err = k.digest(dir)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if !f.matches(d) {
			return false, nil
		}
	}
	return true, nil
}

// Mode returns the mode of the kernel as a whole, which applies to all
// profiles: under ModeComplain and ModeUnconfined none is enforced, whatever
// labels say.
func (k *Kernel) Mode(ctx context.Context) (Mode, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	m, err := k.params.readLine("mode")
	if err != nil {
		return "", k.fail(OpMode, "", err)
	}
	return Mode(m), nil
}

// Confines returns nil if the policy that f was made of is loaded, and every
// profile and the kernel as a whole enforce it. Otherwise the error matches
// ErrNotExist for a profile that is not loaded, ErrContent for one that was
// loaded from something else, ErrMode for a mode that does not enforce and is
// not accepted, and ErrNoDigest if the kernel does not show what was loaded.
//
// The answer holds for this moment: others who may load policy can change it.
func (k *Kernel) Confines(ctx context.Context, f Fingerprint, a Accept) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := k.confines(ctx, f, a); err != nil {
		return k.fail(OpConfines, f.first(), err)
	}
	return nil
}

func (k *Kernel) confines(ctx context.Context, f Fingerprint, a Accept) error {
	if f == (Fingerprint{}) {
		return errEmpty
	}
	if err := k.kernelMode(ctx, a); err != nil {
		return err
	}
	for name := range f.profiles() {
		p, dir, err := k.lookup(ctx, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !a.mode(p.Mode) {
			return fmt.Errorf("%w: %s is in mode %s", ErrMode, name, p.Mode)
		}
		d, err := k.digest(dir)
		switch {
		case errors.Is(err, ErrNoDigest) && a.Unverified:
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		case !f.matches(d):
			return fmt.Errorf("%w: %s has %v", ErrContent, name, d)
		}
	}
	return nil
}

// kernelMode reports whether the mode of the kernel as a whole is accepted.
func (k *Kernel) kernelMode(ctx context.Context, a Accept) error {
	m, err := k.Mode(ctx)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) && a.Unverified {
			return nil
		}
		return err
	}
	if !a.mode(m) {
		return fmt.Errorf("%w: /sys/module/apparmor/parameters/mode is %q", ErrMode, m)
	}
	return nil
}
