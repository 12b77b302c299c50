// Command serve runs the pages on a lab made of memory, for working on them
// and for the browser test.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/ui"
	"github.com/benchtop-lab/benchtop/ui/uitest"
)

func main() {
	address := flag.String("address", "127.0.0.1:8080", "where to listen")
	scene := flag.String("scene", "full", "full, empty, booting, boot (starts by itself), broken, diskfull, refused, awaiting, held, ailing, code, gpus, many, labs, lab-passed, lab-broken, lab-mended or lab-opening")
	flag.Parse()
	if err := run(*address, *scene); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address, scene string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	w, err := world(ctx, scene)
	if err != nil {
		return err
	}
	cfg := w.Config()
	cfg.Address, cfg.SampleEvery = address, time.Second
	server, err := ui.New(cfg)
	if err != nil {
		return err
	}
	go w.breathe(ctx)
	h, ready := supervise.NewHandle(os.Stderr)
	go func() {
		<-ready
		fmt.Printf("http://%s/login  admin / %s\n", server.Address(), uitest.Password)
	}()
	return server.Run(ctx, h)
}

type scenery struct{ *uitest.World }

func world(ctx context.Context, scene string) (scenery, error) {
	switch scene {
	case "full":
		w := uitest.Full(time.Now)
		w.AddSweep()
		w.AddLabScene("mid-way")
		return scenery{w}, nil
	case "empty":
		return scenery{uitest.Empty(time.Now)}, nil
	case "booting":
		return scenery{uitest.Booting(time.Now, 3)}, nil
	case "boot":
		w := uitest.Full(time.Now)
		w.SetBoot(1)
		go func() {
			for n := 2; n <= 7; n++ {
				select {
				case <-ctx.Done():
					return
				case <-time.After(2 * time.Second):
				}
				w.Change(func() { w.SetBoot(n) })
			}
		}()
		return scenery{w}, nil
	case "diskfull":
		w := uitest.Full(time.Now)
		w.Machine.DiskUsed = w.Machine.DiskTotal / 100 * 93
		return scenery{w}, nil
	case "refused":
		return scenery{uitest.Refused(time.Now)}, nil
	case "awaiting":
		return scenery{uitest.Awaiting(time.Now)}, nil
	case "many":
		w := uitest.Full(time.Now)
		w.AddMany(50)
		return scenery{w}, nil
	case "labs", "lab-passed", "lab-broken", "lab-mended", "lab-opening":
		w := uitest.Full(time.Now)
		w.AddLabScene(strings.TrimPrefix(scene, "lab-"))
		return scenery{w}, nil
	case "code":
		w := uitest.Full(time.Now)
		w.AddCode()
		return scenery{w}, nil
	case "gpus":
		return scenery{uitest.WithGPUs(time.Now)}, nil
	case "ailing":
		return scenery{uitest.Ailing(time.Now)}, nil
	case "held":
		return scenery{uitest.Held(time.Now)}, nil
	case "broken":
		w := uitest.Full(time.Now)
		w.SetBoot(3)
		w.Units[3].State, w.Units[3].Error = supervise.Failed, "listen tcp 0.0.0.0:6443: bind: address already in use; stop the other Kubernetes on this machine, or run “benchtop doctor”"
		return scenery{w}, nil
	}
	return scenery{}, fmt.Errorf("scene %q: expected full, empty, booting, boot, broken, diskfull, refused, awaiting, held, ailing, code, gpus, many, labs, lab-passed, lab-broken, lab-mended or lab-opening", scene)
}

// breathe lets the machine do something, a run go on, and what was chosen come
// into service.
func (w scenery) breathe(ctx context.Context) {
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
		w.Lock()
		w.Machine.CPU = 0.09 + 0.06*math.Sin(float64(i)/5) + 0.03*math.Sin(float64(i))
		w.Machine.MemoryUsed = uint64(3<<30) + uint64(float64(200<<20)*(1+math.Sin(float64(i)/9)))
		w.Unlock()
		w.Settle()
		if i%5 == 4 {
			w.GrowSweep()
		}
	}
}
