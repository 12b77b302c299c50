package access

import (
	"fmt"
	"net"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// origin is this server as the browser sees it.
func origin(c echo.Context) string {
	scheme := "http"
	if c.Request().TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + c.Request().Host
}

// s3URL is S3 on the machine that the browser sees.
func (s *section) s3URL(c echo.Context) string {
	host := c.Request().Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return "http://" + net.JoinHostPort(trimBrackets(host), strconv.Itoa(s.s3Port))
}

// trimBrackets takes an IPv6 address out of its brackets.
func trimBrackets(host string) string {
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}

// newKey shows a key's token with lines to copy for the usual clients.
func newKey(k mlops.NewKey, at, s3 string) view.NewKey {
	curl := fmt.Sprintf("curl -H 'Authorization: Bearer %s' %s/api/status", k.Token, at)
	if len(k.Projects) == 0 {
		curl += fmt.Sprintf("\ncurl -H 'Authorization: Bearer %s' '%s/prometheus/api/v1/query?query=up'", k.Token, at)
	}
	v := view.NewKey{Name: k.Name, Token: k.Token, Uses: []view.Use{
		{Client: "MLflow", Text: fmt.Sprintf("export MLFLOW_TRACKING_URI=%s\nexport MLFLOW_TRACKING_USERNAME=%s MLFLOW_TRACKING_PASSWORD=%s", at, k.Name, k.Token)},
		{Client: "curl", Text: curl},
	}}
	bucket := ""
	for _, b := range k.Buckets {
		if bucket == "" || b.Write {
			bucket = b.Name
		}
	}
	switch {
	case k.Role.May(mlops.Administer):
		bucket = "data"
	case bucket == "":
		v.NoBucket = true
		return v
	}
	v.Uses = append(v.Uses,
		view.Use{Client: "AWS CLI", Text: fmt.Sprintf("export AWS_ENDPOINT_URL=%s AWS_DEFAULT_REGION=us-east-1\nexport AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s\naws s3 ls s3://%s/", s3, k.Name, k.Token, bucket)},
		view.Use{Client: "boto3", Text: fmt.Sprintf("import boto3\ns3 = boto3.client(\"s3\", endpoint_url=%q, region_name=\"us-east-1\",\n                  aws_access_key_id=%q, aws_secret_access_key=%q)\ns3.list_objects_v2(Bucket=%q)", s3, k.Name, k.Token, bucket)},
		view.Use{Client: "mc", Text: fmt.Sprintf("mc alias set lab %s %s %s\nmc ls lab/%s", s3, k.Name, k.Token, bucket)},
		view.Use{Client: "rclone", Text: fmt.Sprintf("rclone config create lab s3 provider Minio endpoint %s access_key_id %s secret_access_key %s\nrclone ls lab:%s", s3, k.Name, k.Token, bucket)},
		view.Use{Client: "DVC", Text: fmt.Sprintf("dvc remote add -d lab s3://%s/dvc\ndvc remote modify lab endpointurl %s\ndvc remote modify --local lab access_key_id %s\ndvc remote modify --local lab secret_access_key %s", bucket, s3, k.Name, k.Token)},
	)
	return v
}
