// Command serve runs the registry alone, for the tests and benchmarks that
// need it as a process of its own.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry"
)

func main() {
	dir := flag.String("data-dir", "", "where the database and the artifacts lie")
	addr := flag.String("addr", "127.0.0.1:0", "where to listen")
	password := flag.String("password", "", "if set, the users admin, reader and wine have it, and it is the token")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg := registry.AloneConfig{DataDir: *dir, Addr: *addr, Options: registry.Options{Log: slog.New(slog.NewTextHandler(os.Stderr, nil))},
		Ready: func(a net.Addr) { fmt.Printf("http://%s\n", a) }}
	if *password != "" {
		cfg.Auth = fixed(*password)
	}
	if err := registry.ServeAlone(ctx, cfg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// fixed knows three users with one password: wine is a trainer of the project
// of that name.
type fixed string

func (f fixed) Password(name, password string) (mlops.Principal, error) {
	switch {
	case password != string(f):
	case name == "admin", name == "reader":
		return mlops.Principal{Name: name, Role: mlops.Role(name)}, nil
	case name == "wine":
		return mlops.Principal{Name: name, Role: mlops.RoleTrainer, Projects: []string{name}}, nil
	}
	return mlops.Principal{}, mlops.ErrCredentials
}

func (f fixed) Token(token string) (mlops.Principal, error) { return f.Password("admin", token) }
