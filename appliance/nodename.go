package appliance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

var notNodeName = regexp.MustCompile(`[^a-z0-9.-]+`)

// nodeName returns the node's name. It is chosen once: volumes are pinned to
// it, so a machine that is renamed later keeps its node name.
func (c Config) nodeName(p Paths) (string, error) {
	file := filepath.Join(p.Data, "node-name")
	b, err := os.ReadFile(file)
	if err == nil {
		name := strings.TrimSpace(string(b))
		if c.NodeName != "" && c.NodeName != name {
			return "", mlops.Errorf(mlops.Invalid, "node_name is %q, but this data dir belongs to node %q: volumes are pinned to that name. Set node_name to %q, or leave it out", c.NodeName, name, name)
		}
		return name, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read node name: %w", err)
	}
	name := c.NodeName
	if name == "" {
		host, err := os.Hostname()
		if err != nil {
			return "", fmt.Errorf("read host name: %w", err)
		}
		name = strings.Trim(notNodeName.ReplaceAllString(strings.ToLower(host), "-"), "-.")
		name = strings.Trim(name[:min(len(name), 63)], "-.")
		if name == "" {
			name = "benchtop"
		}
	}
	return name, writeFileAtomic(file, []byte(name+"\n"), 0o600)
}
