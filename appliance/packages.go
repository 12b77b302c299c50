package appliance

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/user"
	"strconv"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/packages"
)

// The nouns of the index as commands see them.
type (
	Package        = packages.Kept
	PackagePin     = packages.Pin
	PackageFetched = packages.Fetched
)

// packagesDoor is the index as pods reach it.
var packagesDoor = fmt.Sprintf("http://packages.benchtop.svc:%d/simple/", mlops.PackagesPort)

// newPackages returns the unit that serves the index of packages on the node's
// address. standard is the index that the bundled uv asks by itself.
func newPackages(cfg Config, standard string, store mlops.ObjectStore, scratch string, log *slog.Logger) (*packages.Unit, error) {
	machine := packages.Machine{Env: os.Getenv, Root: "/"}
	if u, err := user.Current(); err == nil { // a service has no HOME
		machine.Home = u.HomeDir
	}
	source, problems := packages.FindSource(cfg.IndexURL, standard, machine)
	for _, p := range problems {
		log.Warn(p)
	}
	index, err := packages.New(packages.Config{Store: store, Source: source, Scratch: scratch, Log: log})
	if err != nil {
		return nil, err
	}
	log.Info("index of packages", "upstream", index.Upstream(), "named by", source.From)
	return packages.NewUnit(index, net.JoinHostPort(cfg.NodeAddress, strconv.Itoa(mlops.PackagesPort))), nil
}

// IsPackage reports whether a file's name ends as those of wheels and source
// archives do.
func IsPackage(name string) bool { return packages.IsDistribution(name) }

// PackagePins reads a lock, requirements.txt or uv.lock.
func PackagePins(file string, text []byte) ([]PackagePin, error) {
	return packages.ParseLock(file, text)
}
