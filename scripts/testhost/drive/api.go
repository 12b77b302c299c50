package drive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	miniogo "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Admin is what the administrator of a machine finds in its data dir.
type Admin struct {
	Password string
	Token    string `json:"admin_token"`
	S3       struct {
		Access string `json:"access"`
		Secret string `json:"secret"`
	} `json:"s3_root"`
	client *http.Client
}

// Admin reads the credentials inside the host. Requests come from the LAN.
func (a *Appliance) Admin(ctx context.Context) (*Admin, error) {
	b, err := a.ReadFile(ctx, DataDir+"/secrets/secrets.json")
	if err != nil {
		return nil, fmt.Errorf("read the administrator's credentials: %w", err)
	}
	ad := &Admin{client: a.Host.HTTPFromLAN()}
	if err := json.Unmarshal([]byte(b), ad); err != nil {
		return nil, fmt.Errorf("read the administrator's credentials: %w", err)
	}
	pw, err := a.ReadFile(ctx, DataDir+"/secrets/admin-password")
	if err != nil {
		return nil, fmt.Errorf("read the administrator's password: %w", err)
	}
	ad.Password = strings.TrimSpace(pw)
	return ad, nil
}

// Do sends a request as the administrator and reads the answer into out
// unless it is nil. Any status but 200 is an error that shows the answer.
func (ad *Admin) Do(ctx context.Context, method, url string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, url, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, url, err)
	}
	req.SetBasicAuth("admin", ad.Password)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	r, err := ad.client.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, url, err)
	}
	b, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, url, err)
	}
	if r.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %.300s", method, url, r.Status, b)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("%s %s: %w in %.300s", method, url, err, b)
	}
	return nil
}

// MLflow calls the registry's REST API, for example "runs/create".
func (ad *Admin) MLflow(ctx context.Context, method, call string, in, out any) error {
	return ad.Do(ctx, method, "http://appliance:5000/api/2.0/mlflow/"+call, in, out)
}

// Query asks Prometheus for an instant vector and returns its values by the
// given label.
func (ad *Admin) Query(ctx context.Context, promql, label string) (map[string]string, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string `json:"metric"`
				Value  [2]any            `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	url := "http://appliance:8080/prometheus/api/v1/query?query=" + strings.ReplaceAll(promql, " ", "%20")
	if err := ad.Do(ctx, http.MethodGet, url, nil, &answer); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, r := range answer.Data.Result {
		out[r.Metric[label]] = fmt.Sprint(r.Value[1])
	}
	return out, nil
}

// ObjectStore returns an S3 client with the root key. It comes from the LAN.
func (a *Appliance) ObjectStore(access, secret string) (*miniogo.Client, error) {
	c, err := miniogo.New("appliance:9000", &miniogo.Options{
		Creds:     credentials.NewStaticV4(access, secret, ""),
		Transport: a.Host.HTTPFromLAN().Transport, Region: "us-east-1", MaxRetries: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("make an S3 client: %w", err)
	}
	return c, nil
}
