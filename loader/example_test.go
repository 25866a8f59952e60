// SPDX-License-Identifier: Apache-2.0

package loader_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strings"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/loader"
)

// A manager of virtual machines loads a profile for one and starts it.
func ExampleTasks_Start() {
	ctx := context.Background()
	kernel, err := loader.Open(loader.Options{
		OnlyNames: func(name string) bool { return strings.HasPrefix(name, "vm-") },
	})
	if err != nil {
		log.Fatal(err) // errors.Is(err, loader.ErrDisabled): no AppArmor here
	}
	defer kernel.Close()

	data, err := os.ReadFile("vm-17.bin")
	if err != nil {
		log.Fatal(err)
	}
	policy, err := blob.Inspect(data)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := kernel.Ensure(ctx, policy); err != nil {
		log.Fatal(err)
	}

	vm := exec.CommandContext(ctx, "/usr/bin/qemu-system-x86_64", "-nodefaults")
	if err := kernel.Start(ctx, vm, "vm-17"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(vm.Wait(), kernel.Retire(ctx, "vm-17", loader.RetireOptions{}))
}

// What the kernel says about a task is a name, or a stack of them, and a mode.
func ExampleParseLabel() {
	label := loader.ParseLabel("libvirt-7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11//&:guests:inner (enforce)\n")
	fmt.Println(label.Mode)
	for _, name := range label.Profiles() {
		fmt.Println(name)
	}
	fmt.Println(loader.ParseLabel("unconfined").Is(loader.Unconfined))
	// Output:
	// enforce
	// libvirt-7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11
	// :guests:inner
	// true
}
