module github.com/goarmor/apparmor/examples/microvm

go 1.26.0

require (
	github.com/goarmor/apparmor v0.0.0
	github.com/goarmor/apparmor/vmtest v0.0.0
	golang.org/x/sys v0.38.0
)

require github.com/klauspost/compress v1.20.4 // indirect

replace (
	github.com/goarmor/apparmor => ../..
	github.com/goarmor/apparmor/vmtest => ../../vmtest
)
