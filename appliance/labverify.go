package appliance

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine"
)

// LabVerify says which guided labs to prove on the machine, and how.
type LabVerify struct {
	Labs   []string // names of the catalogue; all of it if empty and Folder is too
	Folder string   // or the folder of a lab
	Steps  int      // random steps in place of the whole proof
	Seed   int64    // of the random steps
	AtOnce int      // how many labs at the same time
}

// skipped is the kind of a step that says that this machine can't run a lab.
const skipped = "skipped"

// LabVerified is a line of the proof. The last one of all says how it ended.
type LabVerified struct {
	engine.VerifyLine
	Done  bool          `json:"done,omitempty"`
	Error *controlError `json:"error,omitempty"`
}

// maxLabFolder bounds the folder of a lab, packed.
const maxLabFolder = 4 << 20

// labVerify proves guided labs, and sends a line of JSON for each step.
func (c *control) labVerify(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	numbers := map[string]int64{"steps": 0, "seed": 0, "at_once": 1}
	for name := range numbers {
		if text := q.Get(name); text != "" {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				c.fail(w, mlops.Errorf(mlops.Invalid, "%s is %q: expected a number", name, text))
				return
			}
			numbers[name] = n
		}
	}
	folder, err := labFolder(r)
	if err != nil {
		c.fail(w, err)
		return
	}
	var mu sync.Mutex
	enc, flush := json.NewEncoder(w), http.NewResponseController(w)
	send := func(l LabVerified) {
		mu.Lock()
		defer mu.Unlock()
		if enc.Encode(l) == nil {
			_ = flush.Flush() // whoever hung up ends the context
		}
	}
	report := func(l engine.VerifyLine) { send(LabVerified{VerifyLine: l}) }
	if folder != nil {
		err = c.a.labs.VerifyFolder(r.Context(), folder, q.Get("name"), report)
	} else {
		err = c.prove(r.Context(), q["lab"], int(numbers["at_once"]), func(name string) error {
			if steps := int(numbers["steps"]); steps > 0 {
				return c.a.labs.Walk(r.Context(), name, steps, numbers["seed"], report)
			}
			return c.a.labs.Verify(r.Context(), name, report)
		}, report)
	}
	last := LabVerified{Done: true}
	if err != nil {
		last.Error = &controlError{Code: mlops.CodeOf(err), Message: err.Error()}
	}
	send(last)
}

// prove tries labs of the catalogue, all that the machine can run if none is named,
// some at once. One that fails does not keep the others from being tried.
func (c *control) prove(ctx context.Context, names []string, atOnce int, try func(name string) error, report func(engine.VerifyLine)) error {
	if len(names) == 0 {
		all, err := c.a.labs.Catalogue(ctx, engine.VerifyUser)
		if err != nil {
			return err
		}
		for _, l := range all {
			if l.Lacks != "" {
				report(engine.VerifyLine{Lab: l.Name, Kind: skipped, What: "not tried", OK: true, Saw: l.Lacks})
				continue
			}
			names = append(names, l.Name)
		}
	}
	errs := make([]error, len(names))
	var g errgroup.Group
	g.SetLimit(max(1, atOnce))
	for i, name := range names {
		g.Go(func() error {
			errs[i] = try(name)
			return nil
		})
	}
	_ = g.Wait()
	return errors.Join(errs...)
}

// labFolder reads the folder that a request brings, nil if it brings none.
func labFolder(r *http.Request) (fs.FS, error) {
	packed, err := io.ReadAll(io.LimitReader(r.Body, maxLabFolder+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the folder of a lab: %w", err)
	case len(packed) == 0:
		return nil, nil
	case len(packed) > maxLabFolder:
		return nil, mlops.Errorf(mlops.Invalid, "the folder of the lab is too large: expected at most %d MiB", maxLabFolder>>20)
	}
	folder, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		return nil, fmt.Errorf("unpack the folder of a lab: %w", err)
	}
	return folder, nil
}

// VerifyLabs proves guided labs on the running lab, and reports each step.
func (c *Control) VerifyLabs(ctx context.Context, v LabVerify, report func(engine.VerifyLine)) error {
	q := url.Values{"lab": v.Labs}
	var body bytes.Buffer
	if v.Steps > 0 {
		q.Set("steps", strconv.Itoa(v.Steps))
		q.Set("seed", strconv.FormatInt(v.Seed, 10))
	}
	q.Set("at_once", strconv.Itoa(v.AtOnce))
	if v.Folder != "" {
		abs, err := filepath.Abs(v.Folder)
		if err != nil {
			return fmt.Errorf("find %s: %w", v.Folder, err)
		}
		q.Set("name", filepath.Base(abs))
		pack := zip.NewWriter(&body)
		if err := pack.AddFS(os.DirFS(abs)); err != nil {
			return mlops.Errorf(mlops.Invalid, "can't read the folder %s: %v", v.Folder, err)
		}
		if err := pack.Close(); err != nil {
			return fmt.Errorf("pack %s: %w", v.Folder, err)
		}
	}
	resp, err := c.do(ctx, http.MethodPost, "/v1/lab-verify?"+q.Encode(), &body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return fmt.Errorf("read answer of the appliance: %w", err)
		}
		return refused(resp.Status, b)
	}
	for dec := json.NewDecoder(resp.Body); ; {
		var l LabVerified
		if err := dec.Decode(&l); err != nil {
			return fmt.Errorf("the proof ended early, the lab may have stopped: %w", err)
		}
		switch {
		case !l.Done:
			report(l.VerifyLine)
		case l.Error != nil:
			return mlops.Errorf(l.Error.Code, "%s", l.Error.Message)
		default:
			return nil
		}
	}
}

// LabStep is one step of a proof.
type LabStep = engine.VerifyLine

// LabTally sums a proof up.
type LabTally struct{ lines []LabStep }

// NewLabTally returns an empty one.
func NewLabTally() *LabTally { return &LabTally{} }

// Add adds a step.
func (t *LabTally) Add(l LabStep) { t.lines = append(t.lines, l) }

// Steps is how many steps there were.
func (t *LabTally) Steps() int { return len(t.lines) }

// String says how many steps failed, and the 95th percentiles of what a learner
// waits for.
func (t *LabTally) String() string {
	failed, note := 0, ""
	for _, l := range t.lines {
		if !l.OK {
			failed++
		}
		if l.Kind == skipped {
			note += "; NOT TRIED: " + l.Lab
		}
	}
	return fmt.Sprintf("%d steps, %d failed; p95: a verdict %.2f s after the state is right, the reset of a task %.1f s, of a lab %.1f s%s", len(t.lines), failed,
		engine.P95(t.lines, "solve", func(l LabStep) time.Duration { return l.Late }).Seconds(),
		engine.P95(t.lines, "reset", func(l LabStep) time.Duration { return l.Took }).Seconds(),
		engine.P95(t.lines, "reset lab", func(l LabStep) time.Duration { return l.Took }).Seconds(), note)
}
