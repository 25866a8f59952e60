module github.com/goarmor/apparmor/internal/proptest

go 1.26.0

require (
	github.com/goarmor/apparmor v0.0.0
	github.com/google/go-cmp v0.7.0
	github.com/leanovate/gopter v0.2.11
	github.com/owenrumney/go-sarif/v3 v3.3.1
	github.com/xeipuuv/gojsonschema v1.2.0
)

require (
	github.com/klauspost/compress v1.20.4 // indirect
	github.com/xeipuuv/gojsonpointer v0.0.0-20180127040702-4e3ac2762d5f // indirect
	github.com/xeipuuv/gojsonreference v0.0.0-20180127040603-bd5ef7bd5415 // indirect
	golang.org/x/sys v0.38.0 // indirect
)

replace github.com/goarmor/apparmor => ../..
