package appliance

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"
	"github.com/robfig/cron/v3"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/assets/datasets"
	"github.com/benchtop-lab/benchtop/embedded/cluster"
	"github.com/benchtop-lab/benchtop/embedded/gpu/simulated"
	"github.com/benchtop-lab/benchtop/embedded/packages"
)

// Setting is one key of the configuration. The table of settings is the only
// place that knows keys, flags, environment variables and checks.
type Setting struct {
	Key   string // dotted key in the file
	Usage string
	field func(*Config) any // *string or *int
	check func(string) error
}

// Env returns the environment variable of the setting.
func (s Setting) Env() string {
	return "BENCHTOP_" + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

// FlagName returns the command-line flag of the setting, without dashes.
func (s Setting) FlagName() string {
	if s.Key == "gpu.simulate" {
		return "simulate-gpus" // as people say it
	}
	return strings.NewReplacer(".", "-", "_", "-").Replace(s.Key)
}

func (s Setting) get(c *Config) string {
	switch p := s.field(c).(type) {
	case *string:
		return *p
	case *int:
		return strconv.Itoa(*p)
	}
	return ""
}

func (s Setting) set(c *Config, v string) error {
	if err := s.check(v); err != nil {
		return err
	}
	switch p := s.field(c).(type) {
	case *string:
		*p = v
	case *int:
		*p, _ = strconv.Atoi(v) // checked to be a number
	}
	return nil
}

// Settings lists every setting in the order of the file.
func Settings() []Setting { return slices.Clone(settings) }

// Keys lists the dotted keys.
func Keys() []string {
	keys := make([]string, 0, len(settings))
	for _, s := range settings {
		keys = append(keys, s.Key)
	}
	return keys
}

var settings = []Setting{
	{"data_dir", "directory that holds all state", func(c *Config) any { return &c.DataDir }, nonEmpty},
	{"domain", "deployments answer at <deployment>.<domain>", func(c *Config) any { return &c.Domain }, domain},
	{"node_name", "name of this node, kept for the life of the data dir (the host name if empty)", func(c *Config) any { return &c.NodeName }, optional(nodeName)},
	{"node_address", "IPv4 address that the node owns on its own bridge; pods reach the appliance there", func(c *Config) any { return &c.NodeAddress }, ipv4},
	{"http_addr", "address of the web UI and its APIs", func(c *Config) any { return &c.HTTPAddr }, listenAddr},
	{"public_url", "how browsers reach the web UI through a reverse proxy, if that does not pass their Host header on", func(c *Config) any { return &c.PublicURL }, optional(publicURL)},
	{"trusted_proxies", "addresses or networks, with commas, of reverse proxies whose X-Forwarded-* and Forwarded headers the web UI believes", func(c *Config) any { return &c.Proxies }, networks},
	{"registry_addr", "address of the MLflow-compatible registry", func(c *Config) any { return &c.RegistryAddr }, listenAddr},
	{"s3_addr", "address of the S3 API", func(c *Config) any { return &c.S3Addr }, listenAddr},
	{"s3_public_url", "how clients reach S3; if set, MLflow clients upload parts of big files there instead of through the registry", func(c *Config) any { return &c.S3PublicURL }, optional(baseURL)},
	{"tls_san", "more names and addresses that the Kubernetes API's certificate is valid for, with commas between; those of the machine are found", func(c *Config) any { return &c.TLSSAN }, optional(certNames)},
	{"log_level", "debug, info, warn or error", func(c *Config) any { return &c.LogLevel }, oneOf("debug", "info", "warn", "error")},
	{"ingress.http_port", "host port of the ingress for HTTP", func(c *Config) any { return &c.HTTPPort }, port},
	{"ingress.https_port", "host port of the ingress for HTTPS", func(c *Config) any { return &c.HTTPSPort }, port},
	{"project.sample", "project that the first start makes: iris, wine, breast-cancer, or none", func(c *Config) any { return &c.Sample }, oneOf(append(datasets.Names(), noSample)...)},
	{"project.schedule", "when projects train: five cron fields, or nothing for by hand only; a project whose schedule was edited keeps its own", func(c *Config) any { return &c.Schedule }, optional(schedule)},
	{"project.time_zone", "time zone of that schedule, for example Europe/Berlin; one that was edited stays", func(c *Config) any { return &c.TimeZone }, timeZone},
	{"project.params", "hyper-parameters of the trainers, a JSON object; those that were edited stay", func(c *Config) any { return &c.Params }, optional(jsonObject)},
	{"project.cpu_request", "how much of the processor is set aside for each training, for example 500m for half a core; a project whose resources were edited keeps its own", func(c *Config) any { return &c.CPURequest }, optional(cluster.CheckCPU)},
	{"project.cpu_limit", "the most that each training may use of the processor; nothing for no limit", func(c *Config) any { return &c.CPULimit }, optional(cluster.CheckCPU)},
	{"project.memory_request", "how much memory is set aside for each training, for example 512Mi", func(c *Config) any { return &c.MemoryRequest }, optional(cluster.CheckMemory)},
	{"project.memory_limit", "the most memory that each training may use, for example 2Gi; nothing for no limit", func(c *Config) any { return &c.MemoryLimit }, optional(cluster.CheckMemory)},
	{"project.environment", "environment variables of the trainers, a JSON object of strings; those of a project that were edited stay", func(c *Config) any { return &c.Environment }, optional(environment)},
	{"gpu.driver_root", "folder below which NVIDIA's driver is installed, if it is not found; off for a lab without the machine's GPUs", func(c *Config) any { return &c.GPUDriverRoot }, optional(driverRoot)},
	{"gpu.simulate", "GPUs to simulate in place of the machine's, for practice, such as 2xA100-80GB or 1xH100,2xT4: pods are given them and see them, nothing is computed", func(c *Config) any { return &c.GPUSimulate }, optional(simulatedGPUs)},
	{"packages.index_url", "index of Python packages that the lab's own asks, with user and password if it wants them; if empty, the one that pip and uv of this machine ask", func(c *Config) any { return &c.IndexURL }, optional(packages.CheckIndexURL)},
	{"prometheus.retention_time", "how long metrics are kept, for example 15d", func(c *Config) any { return &c.Retention }, duration},
	{"prometheus.retention_size", "how much disk metrics may use, for example 1GB", func(c *Config) any { return &c.RetentionMax }, size},
}

func findSetting(key string) *Setting {
	for i := range settings {
		if settings[i].Key == key {
			return &settings[i]
		}
	}
	return nil
}

func isGroup(key string) bool {
	for _, s := range settings {
		if strings.HasPrefix(s.Key, key+".") {
			return true
		}
	}
	return false
}

func optional(check func(string) error) func(string) error {
	return func(v string) error {
		if v == "" {
			return nil
		}
		return check(v)
	}
}

func nonEmpty(v string) error {
	if v == "" {
		return errors.New("expected a value, found none")
	}
	return nil
}

var domainPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// noGPUs is the driver root of a lab that leaves the machine's GPUs alone.
const noGPUs = "off"

func driverRoot(v string) error {
	if v != noGPUs && !filepath.IsAbs(v) {
		return fmt.Errorf("expected an absolute path such as /usr/local/nvidia, or off, found %q", v)
	}
	return nil
}

func simulatedGPUs(v string) error {
	_, err := simulated.Parse(v)
	return err
}

func domain(v string) error {
	if !domainPattern.MatchString(v) || len(v) > 200 {
		return fmt.Errorf("expected a domain name such as lab.internal, found %q", v)
	}
	return nil
}

func baseURL(v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" {
		return fmt.Errorf("expected a URL such as https://s3.example.org:9000, without a path, found %q", v)
	}
	return nil
}

func publicURL(v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("expected a URL such as https://lab.example.org, found %q", v)
	}
	if strings.Trim(u.Path, "/") != "" {
		return fmt.Errorf("expected a URL without a path such as https://lab.example.org, found %q: the pages do not work below a path, where whatever else that host serves could act for who is signed in; give the lab a host name of its own", v)
	}
	return nil
}

func networks(v string) error {
	_, err := parseNetworks(v)
	return err
}

// parseNetworks reads addresses and networks, separated by commas.
func parseNetworks(v string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, n := range strings.Split(v, ",") {
		if n = strings.TrimSpace(n); n == "" {
			continue
		}
		p, err := netip.ParsePrefix(n)
		if a, aerr := netip.ParseAddr(n); err != nil && aerr == nil {
			p, err = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("expected addresses or networks such as 192.168.1.10, 10.0.0.0/8, found %q", n)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

func nodeName(v string) error {
	if !domainPattern.MatchString(v) || len(v) > 63 {
		return fmt.Errorf("expected lower-case letters, digits, '-' and '.', at most 63, found %q", v)
	}
	return nil
}

func ipv4(v string) error {
	ip := net.ParseIP(v).To4()
	if ip == nil || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return fmt.Errorf("expected an IPv4 address that no other machine uses, such as 10.44.0.1, found %q", v)
	}
	return nil
}

func port(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("expected a port from 1 to 65535, found %q", v)
	}
	return nil
}

func listenAddr(v string) error {
	host, p, err := net.SplitHostPort(v)
	if err == nil && (host == "" || net.ParseIP(host) != nil) && port(p) == nil {
		return nil
	}
	return fmt.Errorf("expected an address such as :8080 or 192.168.1.10:8080, found %q", v)
}

// certNames checks what splitList makes of v.
func certNames(v string) error {
	for _, name := range splitList(v) {
		if net.ParseIP(name) == nil && (!domainPattern.MatchString(strings.TrimPrefix(name, "*.")) || len(name) > 253) {
			return fmt.Errorf("expected names or addresses with commas between, such as lab.example.org,203.0.113.7, found %q", v)
		}
	}
	return nil
}

// splitList returns the values of a setting that holds several.
func splitList(v string) []string {
	if v == "" {
		return nil
	}
	values := strings.Split(v, ",")
	for i := range values {
		values[i] = strings.TrimSpace(values[i])
	}
	return values
}

func oneOf(values ...string) func(string) error {
	return func(v string) error {
		if slices.Contains(values, v) {
			return nil
		}
		return fmt.Errorf("expected one of %s, found %q", strings.Join(values, ", "), v)
	}
}

func schedule(v string) error {
	if _, err := cron.ParseStandard(v); err != nil || strings.Contains(v, "TZ=") {
		return fmt.Errorf("expected five cron fields (minute hour day month weekday) such as \"*/30 * * * *\", found %q", v)
	}
	return nil
}

// timeZone refuses Local, as Kubernetes does: who reads the schedule elsewhere
// would not know which zone that is.
func timeZone(v string) error {
	if _, err := time.LoadLocation(v); err != nil || v == "" || strings.EqualFold(v, "local") {
		return fmt.Errorf("expected the IANA name of a time zone such as UTC or Europe/Berlin, found %q", v)
	}
	return nil
}

func jsonObject(v string) error {
	if !mlops.IsJSONObject(v) {
		return fmt.Errorf("expected a JSON object such as {\"C\": 0.5}, found %q", v)
	}
	return nil
}

func environment(v string) error {
	vars, err := mlops.ParseVariables(v)
	if err != nil {
		return err
	}
	return vars.Validate()
}

func duration(v string) error {
	if d, err := model.ParseDuration(v); err != nil || d <= 0 {
		return fmt.Errorf("expected a duration such as 15d or 12h, found %q", v)
	}
	return nil
}

// publicURL returns the setting as a URL, nil if it is not set. It and the
// trusted proxies are checked when they are set.
func (c Config) publicURL() *url.URL {
	if c.PublicURL == "" {
		return nil
	}
	u, _ := url.Parse(strings.TrimRight(c.PublicURL, "/"))
	return u
}

func (c Config) trustedProxies() []netip.Prefix {
	p, _ := parseNetworks(c.Proxies)
	return p
}

// retentionTime and retentionBytes are checked when they are set.
func (c Config) retentionTime() time.Duration {
	d, _ := model.ParseDuration(c.Retention)
	return time.Duration(d)
}

func (c Config) retentionBytes() int64 {
	n, _ := units.ParseBase2Bytes(c.RetentionMax)
	return int64(n)
}

func size(v string) error {
	if n, err := units.ParseBase2Bytes(v); err != nil || n <= 0 {
		return fmt.Errorf("expected a size such as 1GB or 512MB, found %q", v)
	}
	return nil
}

// Value returns the setting's value in c as text.
func (s Setting) Value(c Config) string { return s.get(&c) }
