//go:build !unix

package svirt

const openFlags = 0
