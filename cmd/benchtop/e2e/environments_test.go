//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// TestEnvironments pushes scripts that need packages which the lab's Python does
// not have. The LAN holds a package index, for a while.
func TestEnvironments(t *testing.T) {
	inTurn(t)
	s := begin(t, "environments", testhost.Options{})
	stop, err := s.ServeWheels(t.Context(), repository)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	chapter(t, "boot", s.environmentsBoot)
	chapter(t, "requirements.txt: LightGBM", s.boosted)
	chapter(t, "pyproject.toml: XGBoost", s.forest)
	chapter(t, "a script's header: statsmodels", s.scores)
	chapter(t, "kill -9 while an environment is built", s.builtAfterKill)
	chapter(t, "mistakes", s.environmentMistakes)
	chapter(t, "without the index", func(t *testing.T) {
		stop()
		s.withoutIndex(t)
	})
	chapter(t, "without the project", s.environmentGone)
}

func (s *story) environmentsBoot(t *testing.T) {
	if err := s.WriteFile(t.Context(), "/etc/benchtop/config.yaml", "project:\n  sample: none\npackages:\n  index_url: "+s.Index()+"\n"); err != nil {
		t.Fatal(err)
	}
	t.Logf("ready after %.1f s", s.start(t).Seconds())
	s.givesFolder(t, "testdata/environments")
}

func (s *story) boosted(t *testing.T) {
	out := s.pushed(t, "boosted", "/root/push/boosted")
	says(t, out, "its environment is being built, because it needs lightgbm>=4.5 (requirements.txt)", "accuracy: 0.9", "version 1")
	row := "[" + strings.TrimSuffix(strings.Repeat("1.0, ", 30), ", ") + "]"
	if got := s.asked(t, "boosted", `{"instances": [`+row+`]}`); len(got) != 1 || got[0].(float64) < 0.5 || got[0].(float64) > 1 {
		t.Errorf("it answers %v, want one probability above a half", got)
	}
	// The same needs never build twice.
	began := time.Now()
	out = s.pushed(t, "boosted", "/root/push/boosted")
	t.Logf("the second push took %.1f s", time.Since(began).Seconds())
	says(t, out, "version 2")
	if strings.Contains(out, "environment is being built") {
		t.Errorf("it is built again:\n%s", out)
	}
	says(t, s.benchtop(t, "project", "show", "boosted"), "packages  lightgbm 4.7.0")
	says(t, s.benchtop(t, "packages", "list"), "lightgbm", "4.7.0")
	says(t, s.benchtop(t, "images", "list"), "benchtop.local/environment:", "environment")
}

func (s *story) forest(t *testing.T) {
	began := time.Now()
	out := s.pushed(t, "forest", "/root/push/forest")
	t.Logf("with scikit-learn and xgboost it took %.1f s", time.Since(began).Seconds())
	says(t, out, "it needs xgboost-cpu (pyproject.toml)", "r2: ")
	if got := s.asked(t, "forest", `{"instances": [[0.038, 0.05, 0.061, 0.021, -0.044, -0.034, -0.043, -0.002, 0.019, -0.017]]}`); len(got) != 1 || got[0].(float64) < 100 || got[0].(float64) > 250 {
		t.Errorf("it answers %v, want about 151", got)
	}
}

func (s *story) scores(t *testing.T) {
	out := s.pushed(t, "scores", "/root/push/scores")
	says(t, out, "it needs statsmodels (fit.py)", "hours")
	// MLflow answers for statsmodels with a table of one column, 0.
	got := s.asked(t, "scores", `{"instances": [{"hours": 10}]}`)
	row, _ := got[0].(map[string]any)
	if score, _ := row["0"].(float64); score < 87.9 || score > 88.1 {
		t.Errorf("ten hours are worth %v, want 88", got)
	}
}

func (s *story) builtAfterKill(t *testing.T) {
	folder := s.folder(t, "again", "requirements.txt", "lightgbm\npatsy\n", "train.py", `import pickle
import lightgbm, patsy
from sklearn.dummy import DummyRegressor
pickle.dump(DummyRegressor(strategy="constant", constant=7).fit([[0.0]], [0.0]), open("model.pkl", "wb"))
`)
	s.benchtop(t, "push", "--detach", folder)
	if err := drive.Eventually(t.Context(), patience, func() error {
		if out := s.benchtop(t, "project", "show", "again"); !strings.Contains(out, "its environment is being built") {
			return fmt.Errorf("it is not being built:\n%s", out)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Signal(t.Context(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := s.up.Wait(patience); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	var answer struct{ Predictions []any }
	if err := drive.Eventually(t.Context(), patience, func() error {
		return s.sends(t, http.MethodPost, "again/predict", `{"instances": [[1]]}`, &answer)
	}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(answer.Predictions) != "[7]" {
		t.Errorf("it answers %v, want 7", answer.Predictions)
	}
	// The others serve on, in theirs.
	if got := s.asked(t, "scores", `{"instances": [{"hours": 10}]}`); len(got) != 1 {
		t.Errorf("scores answers %v", got)
	}
}

func (s *story) environmentMistakes(t *testing.T) {
	s.refuses(t, []string{"needs no-such-package", "was not found in the package registry"}, "push",
		s.folder(t, "absent", "requirements.txt", "no-such-package\n", "train.py", "print(1)\n"))
	s.refuses(t, []string{"lightgbm", "<4", "there is no environment that has all it asks for"}, "push",
		s.folder(t, "conflict", "requirements.txt", "lightgbm<4\nxgboost-cpu\n", "train.py", "import lightgbm\n"))
	s.refuses(t, []string{"Python >=3.13", "the lab has 3.11"}, "push",
		s.folder(t, "newer", "pyproject.toml", "[project]\nname = \"newer\"\nversion = \"1\"\nrequires-python = \">=3.13\"\ndependencies = []\n", "train.py", "print(1)\n"))
	s.refuses(t, []string{"is no pin"}, "packages", "add", "/etc/hostname")
	// Code may say that it takes the lab's Python as it is.
	s.refuses(t, []string{"needs lightgbm (pyproject.toml), which the lab's Python does not have"}, "push",
		s.folder(t, "asitis", "pyproject.toml", "[project]\nname = \"asitis\"\nversion = \"1\"\ndependencies = [\"lightgbm\"]\n[tool.benchtop]\nenvironment = \"lab\"\n", "train.py", "print('as it is')\n"))
}

func (s *story) withoutIndex(t *testing.T) {
	// Everything that was fetched once is kept.
	files := []string{"requirements.txt", "xgboost-cpu\n", "train.py", `import pickle
import xgboost
from sklearn.dummy import DummyRegressor
pickle.dump(DummyRegressor(strategy="constant", constant=5).fit([[0.0]], [0.0]), open("model.pkl", "wb"))
`}
	s.pushed(t, "offline", s.folder(t, "offline", files...))
	if got := s.asked(t, "offline", `{"instances": [[1]]}`); fmt.Sprint(got) != "[5]" {
		t.Errorf("it answers %v, want 5", got)
	}
	s.pushed(t, "boosted", "/root/push/boosted")
	s.refuses(t, []string{"needs tabulate", "benchtop packages add"}, "push", s.folder(t, "unknown", "requirements.txt", "tabulate\n", "train.py", "print(1)\n"))
}

func (s *story) environmentGone(t *testing.T) {
	before := strings.Count(s.benchtop(t, "images", "list"), "benchtop.local/environment:")
	s.benchtop(t, "project", "delete", "forest", "--yes")
	if after := strings.Count(s.benchtop(t, "images", "list"), "benchtop.local/environment:"); after != before-1 {
		t.Errorf("after a project was deleted there are %d environments, there were %d", after, before)
	}
	if got := s.asked(t, "scores", `{"instances": [{"hours": 10}]}`); len(got) != 1 {
		t.Errorf("scores answers %v", got)
	}
}
