package networkpolicy

import (
	"fmt"
	"runtime"

	"github.com/cloudnativelabs/kube-router/v2/pkg/utils"
)

// guard stands between kube-router and iptables. Where iptables fails, for
// example because a firewall is being reloaded, kube-router panics in a
// goroutine of its own, which would end the whole lab. Here only that
// goroutine ends; its deferred calls run, and the failure is reported.
type guard struct {
	utils.IPTablesHandler
	failed chan<- error
}

func (g guard) check(err error) {
	if err == nil {
		return
	}
	select {
	case g.failed <- fmt.Errorf("run iptables: %w", err):
	default: // the first one is enough
	}
	runtime.Goexit()
}

func (g guard) Exists(table, chain string, rule ...string) (bool, error) {
	yes, err := g.IPTablesHandler.Exists(table, chain, rule...)
	g.check(err)
	return yes, nil
}

func (g guard) ChainExists(table, chain string) (bool, error) {
	yes, err := g.IPTablesHandler.ChainExists(table, chain)
	g.check(err)
	return yes, nil
}

func (g guard) List(table, chain string) ([]string, error) {
	rules, err := g.IPTablesHandler.List(table, chain)
	g.check(err)
	return rules, nil
}

func (g guard) NewChain(table, chain string) error {
	g.check(g.IPTablesHandler.NewChain(table, chain))
	return nil
}

func (g guard) Insert(table, chain string, position int, rule ...string) error {
	g.check(g.IPTablesHandler.Insert(table, chain, position, rule...))
	return nil
}

func (g guard) AppendUnique(table, chain string, rule ...string) error {
	g.check(g.IPTablesHandler.AppendUnique(table, chain, rule...))
	return nil
}

func (g guard) Delete(table, chain string, rule ...string) error {
	g.check(g.IPTablesHandler.Delete(table, chain, rule...))
	return nil
}
