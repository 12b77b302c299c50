package appliance

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/benchtop-lab/benchtop/embedded/lan"
)

// announce waits until the default deployment serves a model and then prints
// how to use the lab. A training that fails is said, not waited for.
func (a *Appliance) announce(ctx context.Context, term *Terminal, begin time.Time) {
	term.Progress("waiting for the first model to be trained and served")
	served := false
	for ctx.Err() == nil {
		status, _, _, err := a.loopPort.Predict(ctx, DefaultProject, []byte(`{"instances": [[5.1, 3.5, 1.4, 0.2]]}`))
		if err == nil && status == http.StatusOK {
			served = true
			break
		}
		if store := a.registry.Store(); store != nil {
			if t, err := store.Trainings(ctx, DefaultProject, 1); err == nil && len(t) > 0 && t[0].State == "failed" {
				term.Note("the training %s failed: %s; see `benchtop logs %s`", t[0].Job, t[0].Message, DefaultProject)
				break
			}
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
	if served {
		a.control.setServed()
		a.log.Info("serving", "deployment", DefaultProject, "took", time.Since(begin).Round(time.Millisecond))
		settle()
		term.Done(fmt.Sprintf("ready in %s", time.Since(begin).Round(100*time.Millisecond)))
	}
	term.Lines(a.links())
}

// settle turns from starting quickly to staying small. It gives back the
// memory that starting took (decoding images, building schemas and filling
// caches leave more garbage than the lab makes in hours), and from then on has
// the collector run early: one process holds what is usually five, and idle
// memory counts more than a little CPU. An operator's GOGC wins.
func settle() {
	time.AfterFunc(15*time.Second, func() {
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(20)
		}
		debug.FreeOSMemory()
	})
}

// links are the lines that a user needs.
func (a *Appliance) links() []string {
	ip := hostAddress(a.cfg.NodeAddress)
	return []string{
		"UI        " + a.cfg.uiURL() + "/login?token=" + a.tokens.New(),
		"Password  " + a.paths.AdminPassword() + " (user admin)",
		"Try       curl '" + a.ingressURL(ip) + "/models/" + DefaultProject + "/predict?x=5.1,3.5,1.4,0.2'",
	}
}

// uiURL is where people find the web UI.
func (c Config) uiURL() string {
	if public := c.publicURL(); public != nil {
		return public.String()
	}
	return "http://" + net.JoinHostPort(hostAddress(c.NodeAddress), fmt.Sprint(portOf(c.HTTPAddr)))
}

func (a *Appliance) ingressURL(ip string) string {
	if a.cfg.HTTPPort == 80 {
		return "http://" + ip
	}
	return "http://" + net.JoinHostPort(ip, fmt.Sprint(a.cfg.HTTPPort))
}

// hostAddress returns the address that others reach this machine at, else the
// node's own.
func hostAddress(nodeAddress string) string {
	at, err := lan.Addresses(net.ParseIP(nodeAddress))
	if err != nil || len(at) == 0 {
		return nodeAddress
	}
	return at[0].String()
}
