// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package svirt

const openFlags = 0
