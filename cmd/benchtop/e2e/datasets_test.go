//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// leavers is a dataset with named columns: the old ones leave.
func leavers(rows int) string {
	s := "age,income,left\n"
	for i := range rows {
		age, left := 20+i%20, "no"
		if i%2 == 1 {
			age, left = age+40, "yes"
		}
		s += fmt.Sprintf("%d,%d,%s\n", age, 1000+i, left)
	}
	return s
}

// ownData stores a CSV file, makes a project of it, gives it a second version,
// and follows the dataset to what is served and back.
func (s *story) ownData(t *testing.T) {
	for _, file := range []struct{ name, content string }{{"leavers.csv", leavers(40)}, {"more.csv", leavers(60)}, {"words.csv", "age,left\nold,yes\n"}} {
		if err := s.WriteFile(t.Context(), "/root/"+file.name, file.content); err != nil {
			t.Fatal(err)
		}
	}
	s.refuses(t, []string{`there is no dataset "churn"`, "benchtop datasets add churn FILE"}, "project", "add", "leaving", "--dataset", "churn")
	s.refuses(t, []string{"line 2, column age", "finite number", "old"}, "datasets", "add", "churn", "/root/words.csv")
	s.refuses(t, []string{"cannot be opened"}, "datasets", "add", "churn", "/root/none.csv")
	if out := s.benchtop(t, "datasets", "add", "churn", "/root/leavers.csv", "--source", "made up"); !strings.Contains(out, "version 1 is stored: 40 rows, 2 features, classes no, yes") {
		t.Errorf("storing said %s", out)
	}
	s.benchtop(t, "project", "add", "leaving", "--dataset", "churn")
	answer := func(x string) (class, version string, err error) {
		r, err := s.Host.HTTPFromLAN().Get("http://" + s.Host.Address().String() + "/models/leaving/predict?x=" + x)
		if err != nil {
			return "", "", err
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		var p drive.Prediction
		if err == nil {
			err = json.Unmarshal(b, &p)
		}
		if err != nil || r.StatusCode != http.StatusOK || len(p.Predictions) != 1 {
			return "", "", fmt.Errorf("%s: %.200s (%w)", r.Status, b, err)
		}
		return p.Predictions[0].Class, fmt.Sprint(p.Version), nil
	}
	for x, want := range map[string]string{"25,1000": "no", "75,1000": "yes"} {
		err := drive.Eventually(t.Context(), 4*time.Minute, func() error {
			if class, _, err := answer(x); err != nil || class != want {
				return fmt.Errorf("%s is %q, want %q: %w", x, class, want, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.refuses(t, []string{"expected 2 finite numbers (age, income)"}, "predict", "leaving", "1,2,3")

	s.benchtop(t, "datasets", "add", "churn", "/root/more.csv")
	s.refuses(t, []string{"version 1 of dataset churn already", "version 2 is the newest"}, "datasets", "add", "churn", "/root/leavers.csv")
	if out := s.benchtop(t, "datasets", "churn"); !strings.Contains(out, "churn version 2, 60 rows") || !strings.Contains(out, "served now by none") {
		t.Errorf("before a training with it:\n%s", out)
	}
	s.benchtop(t, "train", "leaving", "--wait")
	err := drive.Eventually(t.Context(), patience, func() error {
		if out := s.benchtop(t, "datasets", "churn"); !strings.Contains(out, "served now by leaving (leaving 2)") {
			return fmt.Errorf("what came of the dataset:\n%s", out)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if out := s.benchtop(t, "lineage", "leaving"); !strings.Contains(out, "churn version 2, digest ") || !strings.Contains(out, "leaving 2, registered") {
		t.Errorf("lineage of what is served:\n%s", out)
	}
	if out := s.benchtop(t, "lineage", "leaving/1"); !strings.Contains(out, "churn version 1, digest ") || !strings.Contains(out, "served by    none") {
		t.Errorf("lineage of the first version:\n%s", out)
	}
	s.refuses(t, []string{"expected one of", "MODEL/VERSION"}, "lineage", "nothing")
	s.benchtop(t, "project", "delete", "leaving", "--yes")
}
