module github.com/goarmor/apparmor/examples/vmm

go 1.26.0

require (
	github.com/goarmor/apparmor v0.0.0
	github.com/goarmor/apparmor/vmtest v0.0.0
)

require (
	github.com/klauspost/compress v1.20.4 // indirect
	golang.org/x/sys v0.38.0 // indirect
)

replace (
	github.com/goarmor/apparmor => ../..
	github.com/goarmor/apparmor/vmtest => ../../vmtest
)
