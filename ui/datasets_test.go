package ui_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/ui/uitest"
)

// upload sends a dataset's form as a browser does.
func (l *lab) upload(name, source, file, content string) (*http.Response, string) {
	l.t.Helper()
	_, page := l.get("/datasets")
	token := csrfField.FindStringSubmatch(page)
	if token == nil {
		l.t.Fatalf("/datasets has no form: %s", page)
	}
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for k, v := range map[string]string{"csrf": token[1], "name": name, "source": source} {
		if err := form.WriteField(k, v); err != nil {
			l.t.Fatal(err)
		}
	}
	if file != "" {
		w, err := form.CreateFormFile("file", file)
		if err == nil {
			_, err = w.Write([]byte(content))
		}
		if err != nil {
			l.t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		l.t.Fatal(err)
	}
	resp, err := l.client.Post(l.url+"/datasets", form.FormDataContentType(), &b)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return resp, string(answer)
}

func TestStoreADataset(t *testing.T) {
	w := uitest.Full(atNoon)
	l := start(t, w).asAdmin()
	resp, body := l.upload("churn", "", "november.csv", "age,left\n1,no\n")
	l.expect(resp, body, http.StatusSeeOther)
	if at := resp.Header.Get("Location"); !strings.HasPrefix(at, "/datasets/") {
		t.Errorf("storing leads to %s", at)
	}
	_, body = l.get(resp.Header.Get("Location"))
	for _, want := range []string{"churn v1", "november.csv", "no deployment"} {
		if !strings.Contains(body, want) {
			t.Errorf("its page lacks %q", want)
		}
	}
	resp, body = l.upload("churn", "CRM", "f.csv", "nothing")
	l.expect(resp, body, http.StatusBadRequest, "expected a first line", `value="churn"`, `value="CRM"`, `aria-invalid="true"`)
	resp, body = l.upload("churn", "", "", "")
	l.expect(resp, body, http.StatusBadRequest, "No file was sent: choose a CSV file.")
	resp, body = l.upload("churn", "", "f.csv", strings.Repeat("x", 66<<20))
	l.expect(resp, body, http.StatusBadRequest, "larger than the 64 MiB that a dataset may have")
	_, body = l.get("/projects")
	if !strings.Contains(body, `<option value="churn">`) {
		t.Error("no project can be made of what was stored")
	}
}
