# SPDX-License-Identifier: Apache-2.0

# What people type; the work is in the commands.

.PHONY: test bench fuzz

test:
	./test.sh

bench:
	go run ./internal/bench

# How long each fuzz target runs.
FUZZTIME ?= 1m

fuzz:
	go run ./internal/fuzzall -time $(FUZZTIME)
