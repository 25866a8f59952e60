// SPDX-License-Identifier: Apache-2.0

package features_test

import (
	"fmt"

	"github.com/goarmor/apparmor/features"
)

// What both a kernel and the abi of a policy know is enforced. On a machine
// with AppArmor, FromFS reads the kernel's set from
// /sys/kernel/security/apparmor/features.
func ExampleSet_Intersect() {
	kernel, err := features.Parse([]byte("file {mask {create read write exec}}\nsignal {mask {hup int}}\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	policy, err := features.Parse([]byte("file {mask {read write}}\nmount {mask {mount umount}}\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	both := kernel.Intersect(policy)
	fmt.Println(both.Words("file/mask"))
	fmt.Println(both.Supports("signal"), both.Supports("mount"))
	// Output:
	// [read write]
	// false false
}
