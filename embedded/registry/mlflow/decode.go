package mlflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// maxBody bounds a JSON body. The largest legal one is a dataset's profile.
const maxBody = 64 << 20

func invalid(format string, args ...any) error {
	return mlops.Errorf(mlops.Invalid, format, args...)
}

// decode reads a request into v, a pointer to a struct: from the query for
// GET, else from the JSON body. Fields of the path come on top. Unknown
// fields are ignored, as protobuf does.
func decode(r *http.Request, v any) error {
	info := infoOf(reflect.TypeOf(v).Elem())
	var err error
	switch {
	case r.URL.RawQuery != "" && (r.Method == http.MethodGet || r.ContentLength == 0):
		err = info.fromQuery(r, reflect.ValueOf(v).Elem())
	default:
		err = decodeBody(r, v)
	}
	if err != nil {
		return err
	}
	for _, p := range info.path {
		reflect.ValueOf(v).Elem().Field(p.index).SetString(r.PathValue(p.name))
	}
	return info.check(reflect.ValueOf(v).Elem())
}

func decodeBody(r *http.Request, v any) error {
	// Make room for what the client claims to send, within limits.
	body := bytes.NewBuffer(make([]byte, 0, bytes.MinRead+min(max(r.ContentLength, 0), 1<<20)))
	if _, err := body.ReadFrom(http.MaxBytesReader(nil, r.Body, maxBody)); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return invalid("the request body is larger than %d MiB", maxBody>>20)
		}
		return &mlops.Error{Code: mlops.BadRequest, Message: "the request body could not be read to its end", Err: err}
	}
	b := bytes.TrimSpace(body.Bytes())
	if len(b) > 0 && b[0] == '"' {
		// Old clients encode their JSON twice.
		var inner string
		if json.Unmarshal(b, &inner) == nil {
			b = []byte(inner)
		}
	}
	if len(b) == 0 || string(b) == "null" {
		return nil
	}
	if b[0] != '{' {
		return invalid("the request body must be a JSON object")
	}
	return jsonError(json.Unmarshal(b, v))
}

// jsonError names the field that does not fit.
func jsonError(err error) error {
	var te *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &te):
		return invalid("invalid value for parameter '%s': expected %s, found a JSON %s", te.Field, typeName(te.Type), te.Value)
	default:
		return &mlops.Error{Code: mlops.Invalid, Message: "the request body is not the JSON that was expected: " + err.Error(), Err: err}
	}
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "a number"
}

// structInfo is decode's knowledge of a request type. Tags of its fields:
// json:"name" as usual, req:"true" for a field that must be sent, path:"name"
// for one that comes from the URL's path.
type structInfo struct {
	fields   map[string]int
	required []namedField
	path     []namedField
}

type namedField struct {
	name  string
	index int
}

var structInfos sync.Map // reflect.Type → *structInfo

func infoOf(t reflect.Type) *structInfo {
	if i, ok := structInfos.Load(t); ok {
		return i.(*structInfo)
	}
	info := &structInfo{fields: map[string]int{}}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			info.fields[name] = i
		}
		if f.Tag.Get("req") != "" {
			info.required = append(info.required, namedField{name, i})
		}
		if p := f.Tag.Get("path"); p != "" {
			info.path = append(info.path, namedField{p, i})
		}
	}
	structInfos.Store(t, info)
	return info
}

// check refuses a request that lacks a field. An empty text or list counts as
// absent.
func (s *structInfo) check(v reflect.Value) error {
	for _, f := range s.required {
		if fv := v.Field(f.index); fv.IsZero() || fv.Kind() == reflect.Slice && fv.Len() == 0 {
			return invalid("missing value for required parameter '%s'", f.name)
		}
	}
	return nil
}

func (s *structInfo) fromQuery(r *http.Request, v reflect.Value) error {
	for name, values := range r.URL.Query() {
		i, ok := s.fields[name]
		if !ok || len(values) == 0 {
			continue
		}
		f := v.Field(i)
		if f.Kind() == reflect.Slice {
			if f.Type().Elem().Kind() != reflect.String {
				return invalid("invalid value for parameter '%s': this list can only be sent in a JSON body", name)
			}
			for _, one := range values {
				f.Set(reflect.Append(f, reflect.ValueOf(one).Convert(f.Type().Elem())))
			}
			continue
		}
		if err := setScalar(f, values[0]); err != nil {
			return invalid("invalid value for parameter '%s': %v", name, err)
		}
	}
	return nil
}

func setScalar(f reflect.Value, s string) error {
	if f.Kind() == reflect.Pointer {
		f.Set(reflect.New(f.Type().Elem()))
		f = f.Elem()
	}
	switch f.Kind() {
	case reflect.String:
		f.SetString(s)
	case reflect.Bool:
		b, err := strconv.ParseBool(strings.ToLower(s))
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", s)
		}
		f.SetBool(b)
	case reflect.Int64:
		n, err := wire.ParseInt64(s)
		if err != nil {
			return err
		}
		f.SetInt(n)
	case reflect.Float64:
		n, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", s)
		}
		f.SetFloat(n)
	default:
		return errors.New("it can only be sent in a JSON body")
	}
	return nil
}
