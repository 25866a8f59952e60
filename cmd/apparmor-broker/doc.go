// SPDX-License-Identifier: Apache-2.0

// Apparmor-broker confines the virtual machines of ordinary users: it is the
// daemon of package svirt/broker, which says what users may have.
//
//	apparmor-broker [-socket PATH] [-dir DIR] [-config FILE]
//
// It takes the sockets that systemd has opened for it; otherwise it listens on
// -socket. -dir is where the files of machines are. It serves the accounts of
// people until it gets SIGTERM.
//
// The file of -config is a JSON object:
//
//	{
//	  "roots": {"images": ["%h", "/srv/vm/%u"], "sockets": ["/run/user/%u"]},
//	  "types": ["", "firecracker"],
//	  "companions": ["passt"],
//	  "namespaces": [1000],
//	  "limits": {"machines": 16}
//	}
//
// Roots are where files may be, besides that the user must have a right to them:
// %u is the number of the user, %h what broker.HomeRoots has for images. Without
// roots they are those of broker.HomeRoots. Types and companions decide which
// templates machines may get. Namespaces are the numbers of users who get a policy
// namespace of their own when they ask, see broker.Options.Namespaces. Limits are those of broker.Limits, times in
// nanoseconds.
//
// Beside this source are usr.libexec.apparmor-broker, the profile of the program
// when it is installed as /usr/libexec/apparmor-broker, and two units for systemd.
package main
