package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/prometheus/procfs"
)

func checkPorts(ports []Port) Finding {
	var taken, fixes []string
	for _, p := range ports {
		l, err := net.Listen("tcp", ":"+strconv.Itoa(p.Number))
		if err == nil {
			_ = l.Close()
			continue
		}
		switch {
		case errors.Is(err, fs.ErrPermission):
			continue // only root may open it: checkRoot says so
		case errors.Is(err, syscall.EADDRINUSE):
			taken = append(taken, fmt.Sprintf("port %d (%s) is held by %s", p.Number, p.For, Holder(p.Number)))
		default:
			taken = append(taken, fmt.Sprintf("port %d (%s) cannot be opened: %v", p.Number, p.For, err))
		}
		fixes = append(fixes, p.Change)
	}
	if len(taken) == 0 {
		return ok("ports", fmt.Sprintf("%d ports are free", len(ports)))
	}
	return fail("ports", strings.Join(taken, "; "), "stop that program, or choose another port: "+strings.Join(fixes, "; "))
}

// Holder names the process that listens on a TCP port, as far as /proc tells.
func Holder(port int) string {
	if who := Listener("tcp", port, nil); who != "" {
		return who
	}
	return "an unknown process"
}

// Listener names the process that listens on a port of a network ("tcp" or
// "udp") at one of the IPv4 addresses; without addresses, at any. It returns ""
// if no process does.
func Listener(network string, port int, at []net.IP) string {
	for _, s := range sockets(network) {
		if s.port == port && (len(at) == 0 || s.ip.IsUnspecified() || slices.ContainsFunc(at, s.ip.Equal)) {
			return processOf(s.inode)
		}
	}
	return ""
}

// socket is one that waits for others to call.
type socket struct {
	ip    net.IP
	port  int
	inode uint64
}

// The states of sockets that wait for others, in the kernel's tables
// (Documentation/networking/proc_net_tcp.rst of Linux): LISTEN, and for UDP,
// which has no such state, unconnected.
const (
	tcpListen      = 0x0A
	udpUnconnected = 0x07
)

// sockets lists the machine's waiting sockets of a network. A table that the
// kernel does not have is empty.
func sockets(network string) (out []socket) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return nil
	}
	switch network {
	case "tcp":
		v4, _ := fs.NetTCP()
		v6, _ := fs.NetTCP6()
		for _, l := range slices.Concat(v4, v6) {
			if l.St == tcpListen {
				out = append(out, socket{l.LocalAddr, int(l.LocalPort), l.Inode})
			}
		}
	case "udp":
		v4, _ := fs.NetUDP()
		v6, _ := fs.NetUDP6()
		for _, l := range slices.Concat(v4, v6) {
			if l.St == udpUnconnected {
				out = append(out, socket{l.LocalAddr, int(l.LocalPort), l.Inode})
			}
		}
	}
	return out
}

func processOf(inode uint64) string {
	procs, _ := procfs.AllProcs()
	for _, p := range procs {
		open, err := p.FileDescriptorTargets()
		if err != nil || !slices.Contains(open, fmt.Sprintf("socket:[%d]", inode)) {
			continue
		}
		name, _ := p.Comm()
		return fmt.Sprintf("%s (process %d)", name, p.PID)
	}
	return "a process that cannot be seen from here"
}
