package appliance

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/doctor"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// load reads a configuration file with this content, and nothing else.
func load(t *testing.T, content string) (Config, string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := LoadConfig(Source{File: file})
	return cfg, file, err
}

func expectInvalid(t *testing.T, err error, want string) {
	t.Helper()
	if mlops.CodeOf(err) != mlops.Invalid || mlops.MessageOf(err) != want {
		t.Errorf("error is %v (%s)\nexpected %s", err, mlops.CodeOf(err), want)
	}
}

func TestDefaultsPassTheirOwnChecks(t *testing.T) {
	def := DefaultConfig()
	for _, s := range Settings() {
		if err := s.check(s.Value(def)); err != nil {
			t.Errorf("%s: %v", s.Key, err)
		}
		if s.Usage == "" {
			t.Errorf("%s says nothing about itself", s.Key)
		}
	}
	if err := def.checkPorts(); err != nil {
		t.Error(err)
	}
	if def.retentionTime() != 15*24*time.Hour || def.retentionBytes() != 1<<30 {
		t.Errorf("metrics are kept for %s and %d bytes", def.retentionTime(), def.retentionBytes())
	}
}

func TestConfigFile(t *testing.T) {
	cfg, _, err := load(t, `# a comment
data_dir: /data
domain: lab.example.org
node_address: 10.50.0.1
http_addr: 127.0.0.1:8888
ingress:
  http_port: 8081
  https_port: "8443"
project:
  schedule: "0 * * * *"
  time_zone: Europe/Berlin
  params: '{"C": 0.5}'
prometheus: {retention_time: 12h, retention_size: 512MB}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.DataDir, want.Domain, want.NodeAddress, want.HTTPAddr = "/data", "lab.example.org", "10.50.0.1", "127.0.0.1:8888"
	want.HTTPPort, want.HTTPSPort, want.Schedule, want.Params, want.Retention, want.RetentionMax = 8081, 8443, "0 * * * *", `{"C": 0.5}`, "12h", "512MB"
	want.TimeZone = "Europe/Berlin"
	if cfg != want {
		t.Errorf("found\n%+v\nexpected\n%+v", cfg, want)
	}
	if cfg.retentionTime() != 12*time.Hour || cfg.retentionBytes() != 512<<20 {
		t.Errorf("metrics are kept for %s and %d bytes", cfg.retentionTime(), cfg.retentionBytes())
	}
}

func TestProxySettings(t *testing.T) {
	cfg := DefaultConfig()
	if got := fmt.Sprint(cfg.publicURL(), cfg.trustedProxies()); got != "<nil> [127.0.0.0/8 ::1/128]" {
		t.Errorf("without settings: %s", got)
	}
	cfg, _, err := load(t, "public_url: https://lab.example.org:8443/\ntrusted_proxies: ' 192.168.1.10,10.1.2.3/8, ::ffff:192.0.2.1 '\n")
	if cfg.uiURL() != "https://lab.example.org:8443" || !strings.HasSuffix(DefaultConfig().uiURL(), ":8080") {
		t.Errorf("people are sent to %s, without settings to %s", cfg.uiURL(), DefaultConfig().uiURL())
	}
	if got := fmt.Sprint(cfg.publicURL(), cfg.trustedProxies(), err); got != "https://lab.example.org:8443 [192.168.1.10/32 10.0.0.0/8 192.0.2.1/32] <nil>" {
		t.Errorf("found %s", got)
	}
	if cfg, _, err = load(t, "trusted_proxies: ''\n"); err != nil || len(cfg.trustedProxies()) != 0 {
		t.Errorf("nobody trusted: %v %v", cfg.trustedProxies(), err)
	}
}

// The front page is served from a pod; a UI on the loopback address has none.
func TestFrontPageNeedsAReachableUI(t *testing.T) {
	cfg := DefaultConfig()
	for addr, want := range map[string]bool{":8080": true, "0.0.0.0:8080": true, "[::]:8080": true, "10.44.0.1:8080": true,
		"127.0.0.1:8080": false, "192.168.1.10:8080": false, "[::1]:8080": false} {
		if got := cfg.reachable(addr); got != want {
			t.Errorf("%s: %t", addr, got)
		}
	}
}

func TestEmptyConfigFile(t *testing.T) {
	for _, content := range []string{"", "\n# nothing\n"} {
		if cfg, _, err := load(t, content); err != nil || cfg != DefaultConfig() {
			t.Errorf("%q: %+v, %v", content, cfg, err)
		}
	}
}

func TestConfigFileErrors(t *testing.T) {
	all := strings.Join(Keys(), ", ")
	for _, c := range []struct{ content, want string }{
		{"domain: a.b\nhttp_adr: :80\n", "FILE:2: unknown key http_adr: expected one of " + all},
		{"ingress:\n  http_port: 80\n  port: 81\n", "FILE:3: unknown key ingress.port: expected one of " + all},
		{"http_port: 80\n", "FILE:1: unknown key http_port: expected one of " + all},
		{"domain: a.b\n\ndomain: c.d\n", "FILE:3: key domain is set twice"},
		{"ingress:\n  http_port: 80\n  http_port: 81\n", "FILE:3: key ingress.http_port is set twice"},
		{"ingress:\n  http_port: 81\ningress:\n  https_port: 82\n", "FILE:3: key ingress is set twice"},
		{"project:\n  cpu_request: half\n", `FILE:2: key project.cpu_request: expected cores such as 500m, for half of one, or 2, found "half"`},
		{"project:\n  memory_limit: 512m\n", `FILE:2: key project.memory_limit: expected memory such as 512Mi or 2Gi, at least 16Mi, found "512m"`},
		{"project:\n  memory_limit: 128Mi\n", `the settings project.cpu_request, cpu_limit, memory_request and memory_limit: memory request 256Mi is above the memory limit 128Mi: expected a request that is at most the limit`},
		{"project:\n  environment: A=1\n", `FILE:2: key project.environment: expected a JSON object of strings such as {"OMP_NUM_THREADS": "2"}, found A=1`},
		{"project:\n  environment: '{\"HOME\": \"/\"}'\n", `FILE:2: key project.environment: HOME is Benchtop's to set: expected a name other than HOME, PATH, NO_PROXY, no_proxy that begins with none of BENCHTOP_, MLFLOW_, AWS_, KUBERNETES_, PYTHON, LD_`},
		{"- domain\n", "FILE:1: expected a mapping of keys to values"},
		{"just text\n", "FILE:1: expected a mapping of keys to values"},
		{"domain: a.b\ningress: 80\n", "FILE:2: expected a mapping of keys to values"},
		{"domain: [a, b]\n", "FILE:1: key domain: expected a single value"},
		{"domain:\n  name: a\n", "FILE:2: key domain: expected a single value"},
		{"domain: a.b\n\thttp_addr: :80\n", "FILE is not YAML: line 2: found a tab character that violates indentation"},
		{"domain: 'a\n", "FILE is not YAML: line 2: found unexpected end of stream"},

		{"data_dir: ''\n", "FILE:1: key data_dir: expected a value, found none"},
		{"domain: Lab_1\n", `FILE:1: key domain: expected a domain name such as lab.internal, found "Lab_1"`},
		{"domain: ''\n", `FILE:1: key domain: expected a domain name such as lab.internal, found ""`},
		{"node_name: My Node\n", `FILE:1: key node_name: expected lower-case letters, digits, '-' and '.', at most 63, found "My Node"`},
		{"node_address: 10.44.0\n", `FILE:1: key node_address: expected an IPv4 address that no other machine uses, such as 10.44.0.1, found "10.44.0"`},
		{"node_address: 127.0.0.1\n", `FILE:1: key node_address: expected an IPv4 address that no other machine uses, such as 10.44.0.1, found "127.0.0.1"`},
		{"node_address: '2001:db8::1'\n", `FILE:1: key node_address: expected an IPv4 address that no other machine uses, such as 10.44.0.1, found "2001:db8::1"`},
		{"node_address: 169.254.1.1\n", `FILE:1: key node_address: expected an IPv4 address that no other machine uses, such as 10.44.0.1, found "169.254.1.1"`},
		{"node_address: 0.0.0.0\n", `FILE:1: key node_address: expected an IPv4 address that no other machine uses, such as 10.44.0.1, found "0.0.0.0"`},
		{"http_addr: 8080\n", `FILE:1: key http_addr: expected an address such as :8080 or 192.168.1.10:8080, found "8080"`},
		{"http_addr: localhost:8080\n", `FILE:1: key http_addr: expected an address such as :8080 or 192.168.1.10:8080, found "localhost:8080"`},
		{"registry_addr: ':0'\n", `FILE:1: key registry_addr: expected an address such as :8080 or 192.168.1.10:8080, found ":0"`},
		{"tls_san: 'lab.example.org,https://x'\n", `FILE:1: key tls_san: expected names or addresses with commas between, such as lab.example.org,203.0.113.7, found "lab.example.org,https://x"`},
		{"tls_san: 'a,,b'\n", `FILE:1: key tls_san: expected names or addresses with commas between, such as lab.example.org,203.0.113.7, found "a,,b"`},
		{"s3_public_url: 's3.example.org:9000'\n", `FILE:1: key s3_public_url: expected a URL such as https://s3.example.org:9000, without a path, found "s3.example.org:9000"`},
		{"public_url: 'lab.example.org'\n", `FILE:1: key public_url: expected a URL such as https://lab.example.org, found "lab.example.org"`},
		{"public_url: 'https://u:p@lab.example.org'\n", `FILE:1: key public_url: expected a URL such as https://lab.example.org, found "https://u:p@lab.example.org"`},
		{"public_url: 'https://example.org/lab'\n", `FILE:1: key public_url: expected a URL without a path such as https://lab.example.org, found "https://example.org/lab": the pages do not work below a path, where whatever else that host serves could act for who is signed in; give the lab a host name of its own`},
		{"trusted_proxies: 10.0.0.0/8, nginx\n", `FILE:1: key trusted_proxies: expected addresses or networks such as 192.168.1.10, 10.0.0.0/8, found "nginx"`},
		{"trusted_proxies: 10.0.0.0/33\n", `FILE:1: key trusted_proxies: expected addresses or networks such as 192.168.1.10, 10.0.0.0/8, found "10.0.0.0/33"`},
		{"s3_addr: ':http'\n", `FILE:1: key s3_addr: expected an address such as :8080 or 192.168.1.10:8080, found ":http"`},
		{"log_level: loud\n", `FILE:1: key log_level: expected one of debug, info, warn, error, found "loud"`},
		{"ingress:\n  http_port: 65536\n", `FILE:2: key ingress.http_port: expected a port from 1 to 65535, found "65536"`},
		{"ingress:\n  https_port: https\n", `FILE:2: key ingress.https_port: expected a port from 1 to 65535, found "https"`},
		{"project:\n  time_zone: Middle/Earth\n", `FILE:2: key project.time_zone: expected the IANA name of a time zone such as UTC or Europe/Berlin, found "Middle/Earth"`},
		{"project:\n  time_zone: Local\n", `FILE:2: key project.time_zone: expected the IANA name of a time zone such as UTC or Europe/Berlin, found "Local"`},
		{"project:\n  time_zone: ''\n", `FILE:2: key project.time_zone: expected the IANA name of a time zone such as UTC or Europe/Berlin, found ""`},
		{"project:\n  sample: titanic\n", `FILE:2: key project.sample: expected one of iris, wine, breast-cancer, none, found "titanic"`},
		{"project:\n  schedule: hourly\n", `FILE:2: key project.schedule: expected five cron fields (minute hour day month weekday) such as "*/30 * * * *", found "hourly"`},
		{"project:\n  schedule: 'TZ=Europe/Berlin 0 * * * *'\n", `FILE:2: key project.schedule: expected five cron fields (minute hour day month weekday) such as "*/30 * * * *", found "TZ=Europe/Berlin 0 * * * *"`},
		{"project:\n  params: '[1]'\n", `FILE:2: key project.params: expected a JSON object such as {"C": 0.5}, found "[1]"`},
		{"packages:\n  index_url: packages.example.org\n", `FILE:2: key packages.index_url: expected the address of a package index such as https://packages.example.org/simple/`},
		{"prometheus:\n  retention_time: 15 days\n", `FILE:2: key prometheus.retention_time: expected a duration such as 15d or 12h, found "15 days"`},
		{"prometheus:\n  retention_time: 0s\n", `FILE:2: key prometheus.retention_time: expected a duration such as 15d or 12h, found "0s"`},
		{"prometheus:\n  retention_size: big\n", `FILE:2: key prometheus.retention_size: expected a size such as 1GB or 512MB, found "big"`},
		{"prometheus:\n  retention_size: 0MB\n", `FILE:2: key prometheus.retention_size: expected a size such as 1GB or 512MB, found "0MB"`},

		{"http_addr: ':9000'\n", "port 9000 is wanted by http_addr and by s3_addr: set s3_addr to another"},
		{"ingress: {http_port: 8080}\n", "port 8080 is wanted by http_addr and by ingress.http_port: set ingress.http_port to another"},
		{"s3_addr: ':3141'\n", "port 3141 is wanted by the package index and by s3_addr: set s3_addr to another"},
		{"s3_addr: '127.0.0.1:6443'\n", "port 6443 is wanted by the Kubernetes API and by s3_addr: set s3_addr to another"},
	} {
		_, file, err := load(t, c.content)
		expectInvalid(t, err, strings.ReplaceAll(c.want, "FILE", file))
	}
}

// A machine that has lost memory or cores still runs every command but `up`.
func TestARequestThatTheMachineCannotMeet(t *testing.T) {
	cfg, _, err := load(t, "project:\n  cpu_request: 100000\n")
	if err != nil {
		t.Fatal(err)
	}
	what := fmt.Sprintf("the settings project.cpu_request, cpu_limit, memory_request and memory_limit: CPU request 100000 is more than this machine has, %d cores: expected a request that it can meet", runtime.NumCPU())
	const fix = "Lower it where it is set, in the configuration file, the environment or a flag, or give the machine more"
	expectInvalid(t, cfg.CheckMachine(), what+". "+fix)
	cfg.DataDir = t.TempDir()
	findings, err := Diagnose(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := doctor.Finding{Check: "requests", Level: doctor.Warn, Detail: what + "; trainings would wait for ever, and `benchtop up` does not start", Fix: fix}
	if !slices.Contains(findings, want) {
		t.Errorf("doctor finds %+v", findings)
	}
	for _, f := range DefaultConfig().diagnoseRequests(machineRoom()) {
		t.Errorf("of the defaults it finds %+v", f)
	}
	if err := DefaultConfig().CheckMachine(); err != nil {
		t.Error(err)
	}
}

func TestConfigFileThatCannotBeRead(t *testing.T) {
	_, err := LoadConfig(Source{File: "/none/config.yaml"})
	expectInvalid(t, err, "configuration file /none/config.yaml does not exist: create it, or leave --config out to use /etc/benchtop/config.yaml")
	dir := t.TempDir()
	if _, err := LoadConfig(Source{File: dir}); err == nil || err.Error() != "read configuration file: read "+dir+": is a directory" {
		t.Errorf("a directory: error %v", err)
	}
}

func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("domain: file.example\nlog_level: debug\nnode_name: from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"BENCHTOP_DOMAIN": "env.example", "BENCHTOP_LOG_LEVEL": "warn", "BENCHTOP_INGRESS_HTTP_PORT": "8081"}
	flags := map[string]string{"domain": "flag.example", "ingress.https_port": "8444"}
	cfg, err := LoadConfig(Source{File: file,
		Environ: func(k string) (string, bool) { v, ok := env[k]; return v, ok },
		Flag:    func(k string) (string, bool) { v, ok := flags[k]; return v, ok },
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Domain != "flag.example" || cfg.LogLevel != "warn" || cfg.NodeName != "from-file" || cfg.HTTPPort != 8081 || cfg.HTTPSPort != 8444 || cfg.S3Addr != ":9000" {
		t.Errorf("found %+v: flags win over the environment, that over the file, that over defaults", cfg)
	}
}

func TestPrecedenceErrors(t *testing.T) {
	one := func(key, value string) func(string) (string, bool) {
		return func(k string) (string, bool) { return value, k == key }
	}
	_, err := LoadConfig(Source{Environ: one("BENCHTOP_INGRESS_HTTP_PORT", "x")})
	expectInvalid(t, err, `environment variable BENCHTOP_INGRESS_HTTP_PORT: expected a port from 1 to 65535, found "x"`)
	_, err = LoadConfig(Source{Flag: one("prometheus.retention_time", "x")})
	expectInvalid(t, err, `flag --prometheus-retention-time: expected a duration such as 15d or 12h, found "x"`)
	_, err = LoadConfig(Source{Flag: one("http_addr", ":5000")})
	expectInvalid(t, err, "port 5000 is wanted by http_addr and by registry_addr: set registry_addr to another")
}

func TestConfigRoundTrip(t *testing.T) {
	changed := DefaultConfig()
	for i, s := range Settings() {
		values := map[string]string{
			"data_dir": `/data with "quotes": and # signs`, "domain": "x.example", "node_name": "n1", "node_address": "10.9.8.7",
			"http_addr": "[::1]:1", "public_url": "https://lab.example.org", "trusted_proxies": "10.0.0.0/8", "registry_addr": "127.0.0.1:2", "s3_addr": ":3", "s3_public_url": "https://s3.example.org", "tls_san": "lab.example.org, 203.0.113.7", "log_level": "error",
			"ingress.http_port": "4", "ingress.https_port": "5", "project.sample": "wine", "project.schedule": "1 2 3 4 5", "project.time_zone": "Asia/Kolkata", "project.params": `{"a": "b\n"}`,
			"project.cpu_request": "250m", "project.cpu_limit": "2", "project.memory_request": "512Mi", "project.memory_limit": "2Gi", "project.environment": `{"A": "b\n"}`,
			"gpu.driver_root": "/usr/local/nvidia", "gpu.simulate": "1xH100,2xT4", "packages.index_url": "https://user:password@packages.example.org/simple/", "prometheus.retention_time": "1d12h", "prometheus.retention_size": "2GB",
		}
		v, ok := values[s.Key]
		if !ok {
			t.Errorf("setting %d, %s, is not in this test", i, s.Key)
		}
		if v == s.Value(changed) {
			t.Errorf("%s: %q is the default", s.Key, v)
		}
		if err := s.set(&changed, v); err != nil {
			t.Error(err)
		}
	}
	for _, cfg := range []Config{DefaultConfig(), changed} {
		text := cfg.YAML()
		back, _, err := load(t, text)
		if err != nil || back != cfg {
			t.Errorf("%s\nread back as\n%+v (%v)\nexpected\n%+v", text, back, err, cfg)
		}
	}
	if !strings.Contains(DefaultConfig().YAML(), "# when projects train: five cron fields, or nothing for by hand only;") {
		t.Errorf("the file does not explain its keys:\n%s", DefaultConfig().YAML())
	}
}

func TestSettingNames(t *testing.T) {
	s := findSetting("ingress.http_port")
	if s.Env() != "BENCHTOP_INGRESS_HTTP_PORT" || s.FlagName() != "ingress-http-port" {
		t.Errorf("names are %s and %s", s.Env(), s.FlagName())
	}
	flags, envs := map[string]bool{}, map[string]bool{}
	for _, s := range Settings() {
		if flags[s.FlagName()] || envs[s.Env()] {
			t.Errorf("%s has the flag or the variable of another", s.Key)
		}
		flags[s.FlagName()], envs[s.Env()] = true, true
	}
	Settings()[0].Key = "changed"
	if settings[0].Key == "changed" {
		t.Error("callers can change the table")
	}
}
