package datasets_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

// upload sends a dataset's form as a browser does.
func upload(l *visit.Lab, name, source, file, content string) (*http.Response, string) {
	l.T.Helper()
	_, page := l.Get("/datasets")
	token := visit.CSRFField.FindStringSubmatch(page)
	if token == nil {
		l.T.Fatalf("/datasets has no form: %s", page)
	}
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for k, v := range map[string]string{"csrf": token[1], "name": name, "source": source} {
		if err := form.WriteField(k, v); err != nil {
			l.T.Fatal(err)
		}
	}
	if file != "" {
		w, err := form.CreateFormFile("file", file)
		if err == nil {
			_, err = w.Write([]byte(content))
		}
		if err != nil {
			l.T.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		l.T.Fatal(err)
	}
	resp, err := l.Client.Post(l.URL+"/datasets", form.FormDataContentType(), &b)
	if err != nil {
		l.T.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		l.T.Fatal(err)
	}
	return resp, string(answer)
}

func TestStoreADataset(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	resp, body := upload(l, "churn", "", "november.csv", "age,left\n1,no\n")
	l.Expect(resp, body, http.StatusSeeOther)
	if at := resp.Header.Get("Location"); !strings.HasPrefix(at, "/datasets/") {
		t.Errorf("storing leads to %s", at)
	}
	_, body = l.Get(resp.Header.Get("Location"))
	for _, want := range []string{"churn v1", "november.csv", "no deployment"} {
		if !strings.Contains(body, want) {
			t.Errorf("its page lacks %q", want)
		}
	}
	resp, body = upload(l, "churn", "CRM", "f.csv", "nothing")
	l.Expect(resp, body, http.StatusBadRequest, "expected a first line", `value="churn"`, `value="CRM"`, `aria-invalid="true"`)
	resp, body = upload(l, "churn", "", "", "")
	l.Expect(resp, body, http.StatusBadRequest, "No file was sent: choose a CSV file.")
	resp, body = upload(l, "churn", "", "f.csv", strings.Repeat("x", 66<<20))
	l.Expect(resp, body, http.StatusBadRequest, "larger than the 64 MiB that a dataset may have")
	_, body = l.Get("/projects")
	if !strings.Contains(body, `<option value="churn">`) {
		t.Error("no project can be made of what was stored")
	}
}
