module github.com/goarmor/apparmor

go 1.26.0

require (
	github.com/alecthomas/participle/v2 v2.1.4
	github.com/google/go-cmp v0.7.0
	github.com/klauspost/compress v1.20.4
	golang.org/x/sys v0.38.0
	libvirt.org/go/libvirtxml v1.12008.0
)
