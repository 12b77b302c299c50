package doctor

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
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
// "udp") at one of the IPv4 addresses, or at any if there are none; "" if no
// process does.
func Listener(network string, port int, at []net.IP) string {
	for _, table := range []string{network, network + "6"} {
		if inode := listenInode("/proc/net/"+table, port, at); inode != "" {
			return processOf(inode)
		}
	}
	return ""
}

func processOf(inode string) string {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == "socket:["+inode+"]" {
			pid := strings.Split(link, "/")[2]
			name, _ := os.ReadFile("/proc/" + pid + "/comm")
			return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), pid)
		}
	}
	return "a process that cannot be seen from here"
}

// listenInode finds the socket that listens on port, at one of the addresses
// or at any if there are none, in a table of /proc/net/tcp's or udp's form
// (Documentation/networking/proc_net_tcp.rst of Linux): local address in hex,
// state 0A is LISTEN (07 for UDP, which has no such state), the inode is the
// tenth field.
func listenInode(table string, port int, at []net.IP) string {
	f, err := os.Open(table)
	if err != nil {
		return ""
	}
	defer f.Close()
	suffix := fmt.Sprintf(":%04X", port)
	state := "0A"
	if strings.HasPrefix(filepath.Base(table), "udp") {
		state = "07"
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && strings.HasSuffix(fields[1], suffix) && fields[3] == state && meets(strings.TrimSuffix(fields[1], suffix), at) {
			return fields[9]
		}
	}
	return ""
}

// meets reports whether a socket at a local address, in the kernel's form,
// gets what is sent to one of the addresses.
func meets(local string, at []net.IP) bool {
	b, err := hex.DecodeString(local)
	if err != nil || len(b)%4 != 0 {
		return false
	}
	// Each 32-bit word is printed as the machine's integer.
	for i := 0; i < len(b); i += 4 {
		binary.BigEndian.PutUint32(b[i:], binary.NativeEndian.Uint32(b[i:]))
	}
	ip := net.IP(b)
	return len(at) == 0 || ip.IsUnspecified() || slices.ContainsFunc(at, ip.Equal)
}
