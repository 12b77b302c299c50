package engine

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine/check"
)

// How often is asked whether something is there, or gone.
const (
	pollShell   = 300 * time.Millisecond
	pollProject = time.Second
	pollGone    = 500 * time.Millisecond
	shellWait   = 30 * time.Second // for a shell, until its pod is looked after again
)

// open makes the room. Each step can be repeated, so that it goes on wherever
// the process has died.
func (s *stay) open(ctx context.Context) error {
	if s.lab == nil {
		return mlops.Errorf(mlops.NotFound, "Lab %s does not exist any more: leave it.", s.place.lab)
	}
	loop, err := s.e.ports.Loop()
	if err != nil {
		return err
	}
	c, err := s.e.ports.Cluster()
	if err != nil {
		return err
	}
	if _, err := s.begun(ctx); err != nil { // a reset may have died before it has done that
		return err
	}
	s.e.mu.Lock()
	stray := s.e.strays[s.room]
	s.e.mu.Unlock()
	if stray {
		return mlops.Errorf(mlops.Unavailable, "What is left of an earlier room %s is still being removed.", s.room)
	}
	// The key comes first: it is the sign that what has the room's name is ours.
	s.doing("its key is being made")
	env, err := s.names(ctx)
	if err != nil {
		return err
	}
	if p := s.project(); p != "" {
		s.doing("its project is being made")
		if err := loop.AddLabProject(ctx, s.room, s.lab.Needs.Dataset); err != nil {
			return fmt.Errorf("project %s: %w", p, err)
		}
		s.doing("its project is being trained and served, which takes up to two minutes")
		if err := s.serves(ctx); err != nil {
			return err
		}
	}
	s.doing("its room is being made")
	room := s.cluster(env)
	if err := c.OpenLab(ctx, room); err != nil {
		return err
	}
	for limit := time.Now().Add(shellWait); ; {
		shell, err := c.LabShell(ctx, s.room)
		if err != nil {
			return err
		}
		if shell.Ready {
			break
		}
		why := orElse(shell.Why, "its shell is starting")
		s.doing(why)
		if time.Now().After(limit) { // a pod that has ended needs OpenLab to be made again
			return mlops.Errorf(mlops.Unavailable, "Its shell is not ready after %s: %s", shellWait, why)
		}
		if !sleep(ctx, pollShell) {
			return ctx.Err()
		}
	}
	if err := s.setUp(ctx, c, room); err != nil {
		return err
	}
	return s.set(ctx, mlops.LabOpen)
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// setUp brings a room to how the lab begins.
func (s *stay) setUp(ctx context.Context, c Cluster, room mlops.LabRoom) error {
	s.doing("its setup is running")
	if err := c.ClearLab(ctx, room); err != nil {
		return err
	}
	if err := s.e.ports.Clear(ctx, s.room, false); err != nil {
		return err
	}
	for _, m := range s.lab.Manifests {
		if err := c.ApplyLab(ctx, s.room, []byte(check.Expand(m.Text, room.Env))); err != nil {
			return fmt.Errorf("setup/%s: %w", m.Name, err)
		}
	}
	if s.lab.Setup != "" {
		if _, err := s.script(ctx, mlops.LabAuthor, "setup/setup.sh", s.lab.Setup); err != nil {
			return err
		}
	}
	brought, err := s.holds(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.brought = map[string]bool{}
	for _, what := range brought {
		s.brought[what] = true
	}
	s.mu.Unlock()
	return nil
}

// serves waits until the project's model answers.
func (s *stay) serves(ctx context.Context) error {
	s.mu.Lock()
	token := s.token
	s.mu.Unlock()
	path := "/api/deployments/" + url.PathEscape(s.project())
	for {
		status, answer, err := s.e.ports.Call(ctx, token, http.MethodGet, path, nil)
		if err != nil {
			return err
		}
		d, _ := check.Normal(answer).(map[string]any)
		ready, _ := d["ready"].(int64)
		version, _ := d["version"].(string)
		switch {
		case status == http.StatusOK && ready > 0 && version != "":
			return nil
		case status != http.StatusOK && status != http.StatusNotFound:
			return fmt.Errorf("%s answered %d", path, status)
		}
		if why, _ := d["message"].(string); why != "" {
			s.doing("its project does not serve yet: " + strings.TrimSuffix(why, "."))
		}
		if !sleep(ctx, pollProject) {
			return ctx.Err()
		}
	}
}

// leave closes the session in the background. What opens it ends first: it would
// say that it is open.
func (s *stay) leave(ctx context.Context) error {
	s.mu.Lock()
	stop, idle := s.cancel, s.idle
	if s.repairing != nil {
		s.repairing()
	}
	s.mu.Unlock()
	if stop != nil {
		stop()
		<-idle
	}
	err := s.set(ctx, mlops.LabClosing)
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	switch {
	case err == nil:
		s.work(s.close)
	default:
		s.mu.Lock()
		opening := s.row.State == mlops.LabOpening
		s.mu.Unlock()
		if opening { // as it was before
			s.work(s.open)
		}
	}
	return err
}

// close removes all that the session has made, and closes its row.
func (s *stay) close(ctx context.Context) error {
	loop, err := s.e.ports.Loop()
	if err != nil {
		return err
	}
	c, err := s.e.ports.Cluster()
	if err != nil {
		return err
	}
	release, err := s.hold(ctx) // a look that has begun would wait for a pod that goes
	if err != nil {
		return err
	}
	defer release()
	s.doing("its room is being removed")
	// The lab of verify may have been one that this process does not know.
	project := s.lab == nil || s.lab.Needs.Dataset != "" || s.place.user == VerifyUser
	if err := s.e.remove(ctx, c, loop, s.room, project); err != nil {
		return err
	}
	if err := s.set(ctx, mlops.LabClosed); err != nil {
		return err
	}
	s.e.mu.Lock()
	if s.e.stays[s.place] == s { // else it is open again
		delete(s.e.stays, s.place)
	}
	s.e.mu.Unlock()
	s.e.tell(s.place)
	return nil
}

// remove removes a room with all that was made in it. Who could write goes first,
// then what was written, and the key last: it is the sign that the rest is ours.
// Each step can be repeated.
func (e *Engine) remove(ctx context.Context, c Cluster, loop Loop, room string, project bool) error {
	for {
		gone, err := c.CloseLab(ctx, room)
		if err != nil {
			return err
		}
		without := true
		if project {
			if without, err = loop.DeleteLabProject(ctx, room); err != nil {
				return err
			}
		}
		if gone && without {
			break
		}
		if !sleep(ctx, pollGone) {
			return ctx.Err()
		}
	}
	if err := e.ports.Clear(ctx, room, true); err != nil {
		return err
	}
	return e.ports.Keys.DropLabKey(ctx, room)
}
