package doctor

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
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
	inode := listenInode("/proc/net/tcp", port)
	if inode == "" {
		inode = listenInode("/proc/net/tcp6", port)
	}
	if inode == "" {
		return "an unknown process"
	}
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

// listenInode finds the socket that listens on port in a table of
// /proc/net/tcp's form (Documentation/networking/proc_net_tcp.rst of Linux):
// local address in hex, state 0A is LISTEN, the inode is the tenth field.
func listenInode(table string, port int) string {
	f, err := os.Open(table)
	if err != nil {
		return ""
	}
	defer f.Close()
	suffix := fmt.Sprintf(":%04X", port)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && strings.HasSuffix(fields[1], suffix) && fields[3] == "0A" {
			return fields[9]
		}
	}
	return ""
}
