module github.com/goarmor/apparmor/internal/proptest

go 1.26.0

require (
	github.com/goarmor/apparmor v0.0.0
	github.com/google/go-cmp v0.7.0
	github.com/leanovate/gopter v0.2.11
)

require (
	github.com/klauspost/compress v1.20.4 // indirect
	golang.org/x/sys v0.38.0 // indirect
)

replace github.com/goarmor/apparmor => ../..
