// Package appliance is the composition root: it reads the configuration,
// holds the data dir, wires the embedded systems together, starts them in
// order and stops them in reverse.
package appliance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/cluster"
)

// DefaultConfigFile is read if it exists and no other file was named.
const DefaultConfigFile = "/etc/benchtop/config.yaml"

// Config is the appliance's configuration. Flags win over the environment,
// the environment over the file, the file over the defaults.
type Config struct {
	DataDir       string
	Domain        string
	NodeName      string
	NodeAddress   string
	HTTPAddr      string
	PublicURL     string
	Proxies       string
	RegistryAddr  string
	S3Addr        string
	S3PublicURL   string
	TLSSAN        string
	HTTPPort      int
	HTTPSPort     int
	Sample        string
	Schedule      string
	TimeZone      string
	Params        string
	CPURequest    string
	CPULimit      string
	MemoryRequest string
	MemoryLimit   string
	Environment   string
	GPUDriverRoot string
	GPUSimulate   string
	IndexURL      string
	Retention     string
	RetentionMax  string
	LogLevel      string
}

// DefaultConfig returns the configuration of a machine without any.
func DefaultConfig() Config {
	return Config{
		DataDir:       "/var/lib/benchtop",
		Domain:        "lab.internal",
		NodeAddress:   "10.44.0.1",
		HTTPAddr:      ":8080",
		Proxies:       "127.0.0.0/8, ::1",
		RegistryAddr:  ":5000",
		S3Addr:        ":9000",
		HTTPPort:      80,
		HTTPSPort:     443,
		Sample:        DefaultProject,
		Schedule:      "*/30 * * * *",
		TimeZone:      "UTC",
		CPURequest:    "100m",
		MemoryRequest: "256Mi",
		MemoryLimit:   "1Gi",
		Retention:     "15d",
		RetentionMax:  "1GB",
		LogLevel:      "info",
	}
}

// Source says where a value may come from besides the file.
type Source struct {
	File    string                          // "" means DefaultConfigFile, if it exists
	Environ func(string) (string, bool)     // os.LookupEnv
	Flag    func(key string) (string, bool) // values of flags that were set
}

// LoadConfig reads the configuration. Every error names the key, where it was
// set and what was expected; nothing is started with a doubtful value.
func LoadConfig(src Source) (Config, error) {
	cfg := DefaultConfig()
	if err := cfg.readFile(src.File); err != nil {
		return cfg, err
	}
	for _, s := range settings {
		if src.Environ != nil {
			if v, ok := src.Environ(s.Env()); ok {
				if err := s.set(&cfg, v); err != nil {
					return cfg, mlops.Errorf(mlops.Invalid, "environment variable %s: %v", s.Env(), err)
				}
			}
		}
		if src.Flag != nil {
			if v, ok := src.Flag(s.Key); ok {
				if err := s.set(&cfg, v); err != nil {
					return cfg, mlops.Errorf(mlops.Invalid, "flag --%s: %v", s.FlagName(), err)
				}
			}
		}
	}
	if err := cfg.checkPorts(); err != nil {
		return cfg, err
	}
	return cfg, cfg.checkTrainer(mlops.Resources{})
}

// CheckMachine finds a request that this machine cannot meet: trainings would
// wait for ever. It also finds a folder that is said to hold NVIDIA's driver and
// does not. LoadConfig does not look for that: a machine may lose memory, and
// then every command would fail, those that help too.
func (c Config) CheckMachine() error {
	if err := c.checkTrainer(machineRoom()); err != nil {
		return mlops.Errorf(mlops.Invalid, "%s. %s", mlops.MessageOf(err), lowerRequest)
	}
	if c.GPUSimulate != "" && c.GPUDriverRoot != "" {
		return mlops.Errorf(mlops.Invalid, "gpu.simulate and gpu.driver_root are both set: simulated GPUs take the place of the machine's and need no driver, so leave one of them out")
	}
	_, err := c.gpuMachine() // a driver's folder that holds none
	return err
}

// lowerRequest is what to do about a request that the machine cannot meet.
const lowerRequest = "Lower it where it is set, in the configuration file, the environment or a flag, or give the machine more"

// checkTrainer finds a request that is above its limit, each alone being fine,
// and one that a machine cannot meet.
func (c Config) checkTrainer(machine mlops.Resources) error {
	if err := cluster.CheckResources(c.projectDefaults().Resources, machine); err != nil {
		return mlops.Errorf(mlops.Invalid, "the settings project.cpu_request, cpu_limit, memory_request and memory_limit: %s", mlops.MessageOf(err))
	}
	return nil
}

// checkPorts finds two settings that want the same port: each alone is fine.
func (c Config) checkPorts() error {
	used := map[int]string{}
	for _, p := range c.ports() {
		key, ok := strings.CutPrefix(p.Change, "set ")
		if !ok { // it is not for the configuration to say
			key = "the " + p.For
		}
		if other := used[p.Number]; other != "" {
			return mlops.Errorf(mlops.Invalid, "port %d is wanted by %s and by %s: set %s to another", p.Number, other, key, key)
		}
		used[p.Number] = key
	}
	return nil
}

func (c *Config) readFile(name string) error {
	named := name != ""
	if !named {
		name = DefaultConfigFile
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		if named {
			return mlops.Errorf(mlops.Invalid, "configuration file %s does not exist: create it, or leave --config out to use %s", name, DefaultConfigFile)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read configuration file: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return mlops.Errorf(mlops.Invalid, "%s is not YAML: %v", name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(doc.Content) == 0 {
		return nil
	}
	return c.readNode(name, "", doc.Content[0])
}

// readNode walks the mapping; nested keys are joined with dots.
func (c *Config) readNode(file, prefix string, n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return mlops.Errorf(mlops.Invalid, "%s:%d: expected a mapping of keys to values", file, n.Line)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		key := prefix + k.Value
		if seen[key] {
			return mlops.Errorf(mlops.Invalid, "%s:%d: key %s is set twice", file, k.Line, key)
		}
		seen[key] = true
		if isGroup(key) {
			if err := c.readNode(file, key+".", v); err != nil {
				return err
			}
			continue
		}
		s := findSetting(key)
		if s == nil {
			return mlops.Errorf(mlops.Invalid, "%s:%d: unknown key %s: expected one of %s", file, k.Line, key, strings.Join(Keys(), ", "))
		}
		if v.Kind != yaml.ScalarNode {
			return mlops.Errorf(mlops.Invalid, "%s:%d: key %s: expected a single value", file, v.Line, key)
		}
		if err := s.set(c, v.Value); err != nil {
			return mlops.Errorf(mlops.Invalid, "%s:%d: key %s: %v", file, v.Line, key, err)
		}
	}
	return nil
}

// YAML returns the configuration as a file that LoadConfig reads, each key
// with its meaning.
func (c Config) YAML() string {
	var b strings.Builder
	group := ""
	for _, s := range settings {
		key, indent := s.Key, ""
		if g, k, ok := strings.Cut(s.Key, "."); ok {
			if g != group {
				fmt.Fprintf(&b, "%s:\n", g)
				group = g
			}
			key, indent = k, "  "
		}
		fmt.Fprintf(&b, "%s# %s\n%s%s: %q\n", indent, s.Usage, indent, key, s.get(&c))
	}
	return b.String()
}

// abs makes a path absolute: K3s changes the working directory.
func abs(path string) (string, error) {
	p, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("make %s absolute: %w", path, err)
	}
	return p, nil
}
