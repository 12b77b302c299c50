package main

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// What is pushed lies with the stories, which say whether the answers are right.
const stories = "cmd/benchtop/e2e/testdata/"

// pushes times the way from a folder to the first answer: a script for which the
// lab has all packages, the same with another line, and one whose packages come
// from an index on the LAN.
func (r *Report) pushes(ctx context.Context, a *drive.Appliance) error {
	const (
		wine    = `{"instances": [[13.2, 1.78, 2.14, 11.2, 100, 2.65, 2.76, 0.26, 1.28, 4.38, 1.05, 3.4, 1050]]}`
		patient = `{"instances": [[0.04, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, 0, 0.02, -0.02]]}`
	)
	if err := a.GiveFolder(ctx, stories+"push/wine", "/root/wine"); err != nil {
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

	stop, err := a.ServeWheels(ctx, ".")
	if err != nil {
		return err
	}
	defer stop()
	if err := a.GiveFolder(ctx, stories+"environments/forest", "/root/forest"); err != nil {
		return err
	}
	built, err := pushed(ctx, a, "forest", patient)
	if err != nil {
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
	var answer struct{ Predictions []any }
	err := drive.Eventually(ctx, time.Minute, func() error {
		return drive.Ask(ctx, a.Host.HTTPFromLAN(), http.MethodPost, "http://"+a.Host.Address().String()+"/models/"+name+"/predict", body, &answer)
	})
	return time.Since(began).Seconds(), err
}
