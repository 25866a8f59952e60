# SPDX-License-Identifier: Apache-2.0

# What people type; the work is in the commands.

.PHONY: test full bench fuzz lint api mutate libvirtd libvirtd-record libvirtd-times managers

test:
	./test.sh

# Everything, the long tables and all kernels included.
full:
	APPARMOR_TEST_REQUIRE=1 APPARMOR_TEST_FULL=1 ./test.sh

bench:
	go run ./internal/bench

# How long each fuzz target runs.
FUZZTIME ?= 1m

fuzz:
	go run ./internal/fuzzall -time $(FUZZTIME)

# A real libvirtd on our helper, and on its own, in a virtual machine. As root.
SUITES ?= trixie

libvirtd:
	APPARMOR_TEST_LIBVIRTD=$(SUITES) $(if $(FULL),APPARMOR_TEST_FULL=1) go test -count=1 -v -timeout 3h -skip '^Test(Managers|Times)$$' ./internal/libvirtd

# How long libvirtd takes with each helper, and how much of it is the helper's.
libvirtd-times:
	APPARMOR_TEST_LIBVIRTD=$(SUITES) go test -count=1 -v -timeout 1h -run '^TestTimes$$' ./internal/libvirtd

# Other managers and tools with our apparmor_parser and with Debian's.
managers:
	APPARMOR_TEST_LIBVIRTD=$(SUITES) go test -count=1 -v -timeout 1h -run '^TestManagers$$' ./internal/libvirtd

# Every call that libvirtd makes of its helper, recorded with each of the two and
# compared; what was recorded is left in RECORD.
RECORD ?= $(or $(TMPDIR),/tmp)/libvirtd-record

libvirtd-record:
	APPARMOR_TEST_LIBVIRTD=$(SUITES) APPARMOR_TEST_FULL=1 APPARMOR_TEST_LIBVIRTD_OUT=$(RECORD) go test -count=1 -v -timeout 3h -run '^TestLibvirtd$$' ./internal/libvirtd

lint:
	.ci/lint

# The exported names, compared with those of the last release.
api:
	.ci/api

# How strong the tests are: small changes of the code that a test must notice.
# PKG names packages, N how many places of each, KEEP a file from which a later
# run takes what did not change.
N ?= 20

mutate:
	go run ./internal/tool/mutate -n $(N) $(if $(KEEP),-keep $(KEEP)) $(PKG)
