module github.com/goarmor/apparmor/examples/policycheck

go 1.26.0

require github.com/goarmor/apparmor v0.0.0

require (
	github.com/alecthomas/participle/v2 v2.1.4 // indirect
	github.com/klauspost/compress v1.20.4 // indirect
)

replace github.com/goarmor/apparmor => ../..
