module github.com/goarmor/apparmor/examples/fleet

go 1.26.0

require (
	github.com/goarmor/apparmor v0.0.0
	github.com/goarmor/apparmor/vmtest v0.0.0-00010101000000-000000000000
	github.com/opencontainers/go-digest v1.0.0
	github.com/opencontainers/image-spec v1.1.1
	golang.org/x/sys v0.38.0
	oras.land/oras-go/v2 v2.7.0
)

require (
	github.com/klauspost/compress v1.20.4 // indirect
	golang.org/x/sync v0.24.0 // indirect
)

replace (
	github.com/goarmor/apparmor => ../..
	github.com/goarmor/apparmor/vmtest => ../../vmtest
)
