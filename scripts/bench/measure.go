package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

type options struct {
	binary       string
	settle, idle time.Duration
	requests     int
	projects     int // how many are added at the end, 0 for none
}

// measure boots the binary once and takes all figures from that boot.
func measure(ctx context.Context, o options) (r *Report, err error) {
	r = newReport(o.binary)
	if err := r.sizes(o.binary); err != nil {
		return nil, err
	}
	a, err := drive.Install(o.binary, testhost.Options{Name: "bench"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Host.Close()) }()
	// The next training is far away, so nothing disturbs the idle figures.
	config := fmt.Sprintf("project:\n  schedule: \"0 0 1 1 *\"\npackages:\n  index_url: %s\n", a.Index())
	if err := a.WriteFile(ctx, "/etc/benchtop/config.yaml", config); err != nil {
		return nil, err
	}
	url := "http://" + a.Host.Address().String() + "/models/iris/predict?x=" + drive.Setosa

	say("cold start")
	up, err := a.Up(nil)
	if err != nil {
		return nil, err
	}
	first, err := untilPredicted(ctx, a, up, url)
	if err != nil {
		return nil, err
	}
	said, err := up.Ready(ctx, 2*time.Minute)
	if err != nil {
		return nil, err
	}
	r.add(Figure{Name: "cold start to first correct prediction", Value: first, Unit: "s", Target: 25})

	say("predictions")
	if err := r.latency(ctx, a, url, o.requests); err != nil {
		return nil, err
	}
	say("idle, after " + o.settle.String())
	if err := sleep(ctx, o.settle); err != nil {
		return nil, err
	}
	if err := r.atIdle(ctx, a.Host.PID(), o.idle); err != nil {
		return nil, err
	}
	if o.projects > 0 {
		say(fmt.Sprintf("%d projects; each trains once, so this takes minutes", o.projects))
		return r, r.manyProjects(ctx, a, said, o.projects, o.settle, o.idle)
	}
	say("rollback under traffic")
	if err := r.rollback(ctx, a, url); err != nil {
		return nil, err
	}
	say("warm restart under traffic")
	if err := r.restart(ctx, a, up, url); err != nil {
		return nil, err
	}
	say("pushes")
	if err := r.pushes(ctx, a); err != nil {
		return nil, err
	}
	return r, r.gpus(ctx, o.binary)
}

// measureGPUs takes the figures of GPUs alone.
func measureGPUs(ctx context.Context, binary string) (*Report, error) {
	r := newReport(binary)
	return r, r.gpus(ctx, binary)
}

func newReport(binary string) *Report {
	return &Report{Time: time.Now().UTC(), Binary: binary, Machine: fmt.Sprintf("%d cores, %s", runtime.NumCPU(), kernel())}
}

func say(what string) { fmt.Fprintln(os.Stderr, "measuring:", what) }

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func kernel() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown kernel"
	}
	return "Linux " + strings.TrimSpace(string(b))
}

// untilPredicted returns the seconds from the start of up until the ingress
// answers right for the first time.
func untilPredicted(ctx context.Context, a *drive.Appliance, up *drive.Up, url string) (float64, error) {
	client := a.Host.HTTPFromLAN()
	client.Timeout = 2 * time.Second
	err := drive.Eventually(ctx, 3*time.Minute, func() error {
		if !up.Running() {
			return nil
		}
		_, err := drive.Predict(ctx, client, url, "")
		return err
	})
	if err == nil && !up.Running() {
		err = fmt.Errorf("benchtop up ended:\n%s", up.Output())
	}
	return time.Since(up.Started).Seconds(), err
}

// latency times single predictions on a kept connection, by turns through the
// ingress and straight to the pod, so that both see the same machine.
func (r *Report) latency(ctx context.Context, a *drive.Appliance, ingress string, n int) error {
	ip, err := a.Run(ctx, "kubectl", "get", "pods", "-n", "iris", "--field-selector=status.phase=Running", "-l", "app.kubernetes.io/component=server", "-o", "jsonpath={.items[0].status.podIP}")
	if err != nil {
		return fmt.Errorf("find the server's pod: %w", err)
	}
	ways := []struct {
		url    string
		client *http.Client
		took   []float64
	}{{url: ingress}, {url: "http://" + strings.TrimSpace(ip) + ":8080/predict?x=" + drive.Setosa}}
	for i := range ways {
		ways[i].client = a.Host.HTTP()
	}
	const warmUp = 100
	for i := range n + warmUp {
		for w := range ways {
			start := time.Now()
			if _, err := drive.Predict(ctx, ways[w].client, ways[w].url, ""); err != nil {
				return err
			}
			if i >= warmUp {
				ways[w].took = append(ways[w].took, time.Since(start).Seconds()*1000)
			}
		}
	}
	through, bare := ways[0].took, ways[1].took
	slices.Sort(through)
	slices.Sort(bare)
	for _, p := range []int{50, 99} {
		t, b := through[len(through)*p/100], bare[len(bare)*p/100]
		r.add(Figure{Name: fmt.Sprintf("prediction p%d through ingress", p), Value: t, Unit: "ms"})
		r.add(Figure{Name: fmt.Sprintf("prediction p%d, bare server", p), Value: b, Unit: "ms", Note: fmt.Sprintf("ingress takes %.1f times as long", t/b)})
	}
	return nil
}

// rollback takes a version back while predictions are asked for.
func (r *Report) rollback(ctx context.Context, a *drive.Appliance, url string) error {
	if _, err := a.Run(ctx, "train", "--wait"); err != nil {
		return err
	}
	if err := drive.Eventually(ctx, 30*time.Second, func() error {
		p, err := drive.Predict(ctx, a.Host.HTTPFromLAN(), url, "")
		if err == nil && p.Version != "2" {
			err = fmt.Errorf("version %s is served", p.Version)
		}
		return err
	}); err != nil {
		return err
	}
	const least = 10_000
	traffic := a.StartTraffic(url, 8, 2*time.Millisecond)
	enough := func(n int) error {
		return drive.Eventually(ctx, 2*time.Minute, func() error {
			if got := traffic.Report().Answered; got < n {
				return fmt.Errorf("%d requests were answered", got)
			}
			return nil
		})
	}
	if err := enough(least / 2); err != nil {
		return err
	}
	started := time.Now()
	if _, err := a.Run(ctx, "rollback", "iris"); err != nil {
		return err
	}
	if err := enough(least); err != nil {
		return err
	}
	t := traffic.Stop()
	if len(t.Versions) != 2 {
		return fmt.Errorf("versions %v have answered, expected 2 and then 1", t.Versions)
	}
	note := fmt.Sprintf("of %d", t.Answered+len(t.Failures))
	if len(t.Failures) > 0 {
		note += ", first: " + t.Failures[0]
	}
	r.add(Figure{Name: "rollback, command to last answer of the bad version", Value: t.Last["2"].Sub(started).Seconds(), Unit: "s", Target: 3})
	r.add(Figure{Name: "failed predictions during the rollback", Value: float64(len(t.Failures)), Unit: "requests", Strict: true, Note: note})
	return nil
}

// restart stops and starts the appliance while predictions are asked for.
func (r *Report) restart(ctx context.Context, a *drive.Appliance, up *drive.Up, url string) error {
	nodes, get, err := kubernetes(ctx, a)
	if err != nil {
		return err
	}
	api := func() error { _, err := get(nodes); return err }
	traffic := a.StartTraffic(url, 4, 10*time.Millisecond)
	stopping := time.Now()
	if err := up.Terminate(); err != nil {
		return err
	}
	if _, err := up.Wait(30 * time.Second); err != nil {
		return err
	}
	stopped := time.Since(stopping).Seconds()
	if up, err = a.Up(nil); err != nil {
		return err
	}
	if err := drive.Eventually(ctx, time.Minute, api); err != nil {
		return fmt.Errorf("wait for the Kubernetes API: %w", err)
	}
	apiTook := time.Since(up.Started).Seconds()
	if _, err := up.Ready(ctx, time.Minute); err != nil {
		return err
	}
	ready := time.Since(up.Started).Seconds()
	t := traffic.Stop()
	r.add(Figure{Name: "stop (SIGTERM)", Value: stopped, Unit: "s", Target: 10})
	r.add(Figure{Name: "warm restart to Kubernetes API", Value: apiTook, Unit: "s", Target: 6})
	r.add(Figure{Name: "warm restart to everything ready", Value: ready, Unit: "s", Target: 10})
	note := fmt.Sprintf("of %d, longest gap %d ms", t.Answered+len(t.Failures), t.Gap.Milliseconds())
	if len(t.Failures) > 0 {
		note += ", first: " + t.Failures[0]
	}
	r.add(Figure{Name: "failed predictions during the restart", Value: float64(len(t.Failures)), Unit: "requests", Strict: true, Note: note})
	return nil
}

// kubernetes returns a URL that the API answers when it serves, and what gets
// URLs with the administrator's certificate.
func kubernetes(ctx context.Context, a *drive.Appliance) (nodes string, get func(url string) ([]byte, error), err error) {
	text, err := a.ReadFile(ctx, drive.DataDir+"/k3s/kubeconfig.yaml")
	if err != nil {
		return "", nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	var c struct {
		Clusters []struct {
			Cluster struct {
				Server string `yaml:"server"`
				CA     string `yaml:"certificate-authority-data"`
			} `yaml:"cluster"`
		} `yaml:"clusters"`
		Users []struct {
			User struct {
				Cert string `yaml:"client-certificate-data"`
				Key  string `yaml:"client-key-data"`
			} `yaml:"user"`
		} `yaml:"users"`
	}
	if err := yaml.Unmarshal([]byte(text), &c); err != nil || len(c.Clusters) == 0 || len(c.Users) == 0 {
		return "", nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	var pem [3][]byte
	for i, s := range []string{c.Clusters[0].Cluster.CA, c.Users[0].User.Cert, c.Users[0].User.Key} {
		if pem[i], err = base64.StdEncoding.DecodeString(s); err != nil {
			return "", nil, fmt.Errorf("read the kubeconfig: %w", err)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem[0])
	cert, err := tls.X509KeyPair(pem[1], pem[2])
	if err != nil {
		return "", nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DialContext: a.Host.DialContext,
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}}}}
	return c.Clusters[0].Cluster.Server + "/api/v1/nodes", func(url string) ([]byte, error) {
		r, err := client.Get(url)
		if err != nil {
			return nil, fmt.Errorf("ask the Kubernetes API: %w", err)
		}
		body, err := io.ReadAll(r.Body)
		if err := errors.Join(err, r.Body.Close()); err != nil {
			return nil, fmt.Errorf("ask the Kubernetes API: %w", err)
		}
		if r.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("ask the Kubernetes API: %s: %.200s", r.Status, body)
		}
		return body, nil
	}, nil
}
