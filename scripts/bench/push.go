package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// What is pushed lies with the stories, which say whether the answers are right.
const stories = "cmd/benchtop/e2e/testdata/"

// indexPort is where the LAN has a package index.
const indexPort = "8099"

// pushes times the way from a folder to the first answer: a script for which the
// lab has all packages, the same with another line, and one whose packages come
// from an index on the LAN.
func (r *Report) pushes(ctx context.Context, a *drive.Appliance) error {
	const (
		wine    = `{"instances": [[13.2, 1.78, 2.14, 11.2, 100, 2.65, 2.76, 0.26, 1.28, 4.38, 1.05, 3.4, 1050]]}`
		patient = `{"instances": [[0.04, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, 0, 0.02, -0.02]]}`
	)
	if err := giveFolder(ctx, a, stories+"push/wine", "/root/wine"); err != nil {
		return err
	}
	first, err := pushed(ctx, a, "wine", wine)
	if err != nil {
		return err
	}
	r.add(Figure{Name: "push of an untouched script to its first answer", Value: first, Unit: "s", Target: 60, Note: "offline"})
	script, err := a.ReadFile(ctx, "/root/wine/train.py")
	if err != nil {
		return err
	}
	if err := a.WriteFile(ctx, "/root/wine/train.py", strings.Replace(script, "C=2.0", "C=3.0", 1)); err != nil {
		return err
	}
	second, err := pushed(ctx, a, "wine", wine)
	if err != nil {
		return err
	}
	r.add(Figure{Name: "second push, another line", Value: second, Unit: "s", Target: 15})

	stop, err := serveWheels(ctx, a)
	if err != nil {
		return err
	}
	if err := giveFolder(ctx, a, stories+"environments/forest", "/root/forest"); err != nil {
		return errors.Join(err, stop())
	}
	built, err := pushed(ctx, a, "forest", patient)
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	r.add(Figure{Name: "push that needs scikit-learn and xgboost", Value: built, Unit: "s", Target: 60, Note: "from an index on the LAN"})
	return nil
}

// pushed pushes /root/NAME and returns the seconds until its model answers.
func pushed(ctx context.Context, a *drive.Appliance, name, body string) (float64, error) {
	began := time.Now()
	if _, err := a.Run(ctx, "push", "/root/"+name); err != nil {
		return 0, err
	}
	client := a.Host.HTTPFromLAN()
	err := drive.Eventually(ctx, time.Minute, func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.Host.Address().String()+"/models/"+name+"/predict", strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		answer, err := client.Do(req)
		if err != nil {
			return err
		}
		said, err := io.ReadAll(answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			return err
		}
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s: %.200s", name, answer.Status, said)
		}
		return nil
	})
	return time.Since(began).Seconds(), err
}

// giveFolder copies a folder of this machine into the lab's.
func giveFolder(ctx context.Context, a *drive.Appliance, from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("read what is pushed: %w", err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return fmt.Errorf("read what is pushed: %w", err)
		}
		if err := a.WriteFile(ctx, to+"/"+e.Name(), string(b)); err != nil {
			return err
		}
	}
	return nil
}

// serveWheels shows the wheels of the stories on the LAN until stop is called.
func serveWheels(ctx context.Context, a *drive.Appliance) (stop func() error, err error) {
	get := exec.CommandContext(ctx, "scripts/clients/wheels.sh", stories+"environments/wheels.txt")
	get.Stderr = os.Stderr
	folder, err := get.Output()
	if err != nil {
		return nil, fmt.Errorf("get wheels: %w", err)
	}
	server := a.Host.OnLAN(ctx, "python3", "-m", "http.server", indexPort, "--directory", strings.TrimSpace(string(folder)))
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("serve wheels: %w", err)
	}
	return func() error {
		err := server.Process.Kill()
		_ = server.Wait() // killed
		return err
	}, nil
}
