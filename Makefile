# What people type; the work is in the commands.

.PHONY: test bench

test:
	./test.sh

bench:
	go run ./internal/bench
