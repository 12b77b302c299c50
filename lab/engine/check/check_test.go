package check_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine/check"
)

var env = map[string]string{"LAB": "lab-x", "PROJECT": "lab-x-model", "DOMAIN": "lab.internal", "MLFLOW_TRACKING_PASSWORD": "secret"}

// object is a source with one object; value is what it is.
func world(value any) check.World {
	return check.World{Now: time.Now, Objects: func(context.Context, mlops.LabObjects) (any, error) { return value, nil }}
}

func judge(t *testing.T, w check.World, sources map[string]check.Source, expect ...check.Expectation) check.Verdict {
	t.Helper()
	c := check.New(sources, expect)
	if wrong := c.Problems(); wrong != nil {
		t.Fatal(wrong)
	}
	l := check.NewLook(t.Context(), w, env)
	defer l.Close()
	return l.Judge(c)
}

var one = map[string]check.Source{"x": {Object: &check.Objects{Kind: "Thing", Name: "x"}}}

func TestExpressions(t *testing.T) {
	value := map[string]any{
		"spec":  map[string]any{"replicas": 2.0, "share": 0.5, "name": "model", "at": "2026-01-02T03:04:05Z"},
		"items": []any{map[string]any{"n": 1.0, "ready": true}, map[string]any{"n": 2.0}},
		"tags":  map[string]any{"app": "model"},
	}
	for _, that := range []string{
		`x != null`,
		`x.spec.replicas == 2`,
		`x.spec.replicas > 1.5`,
		`x.spec.share < 1`,
		`string(x.spec.replicas) == "2"`,
		`!has(x.status)`,
		`x.?status.?ready.orValue(0) == 0`,
		`x.?status.?list.orValue([]).size() == 0`,
		`x.items.map(i, i.n).sum() == 3`,
		`[1, 0.5].sum() == 1.5`,
		`[].sum() == 0`,
		`x.items.filter(i, i.?ready.orValue(false)).size() == 1`,
		`x.tags.exists(k, v, k == "app" && v == "model")`,
		`x.tags.transformList(k, v, k + "=" + v).join(",") == "app=model"`,
		`sets.contains(["a", "b"], ["a"])`,
		`math.greatest(1, 2) == 2`,
		`x.spec.name.matches("^mod")`,
		`"%s has %d".format([x.spec.name, x.spec.replicas]) == "model has 2"`,
		`["b", "a"].sort() == ["a", "b"]`,
		`timestamp(x.spec.at) < now`,
		`lab == "lab-x" && project == "lab-x-model" && DOMAIN == "lab.internal"`,
	} {
		v := judge(t, world(value), one, check.Expectation{That: "x != null && (" + that + ")", Saw: `"no"`})
		if !v.Holds || v.Fault != "" || v.At.IsZero() {
			t.Errorf("%s: %+v", that, v)
		}
	}
}

func TestFirstThatIsFalse(t *testing.T) {
	v := judge(t, world(nil), one,
		check.Expectation{That: "x == null", Saw: `"first"`},
		check.Expectation{That: "x != null", Saw: `"Nothing in " + lab + ", ${DOMAIN}, ${MLFLOW_TRACKING_PASSWORD}."`, Hints: []string{"a"}},
		check.Expectation{That: "x.y == 1", Saw: `"third"`})
	if v.Holds || v.Saw != "Nothing in lab-x, lab.internal, ${MLFLOW_TRACKING_PASSWORD}." || v.Index != 1 || len(v.Hints) != 1 || v.Fault != "" {
		t.Errorf("got %+v", v)
	}
}

// What goes wrong in a check is ours.
func TestFaults(t *testing.T) {
	for that, want := range map[string]string{
		`x.y == 1`:     "expectation 1: no such key: y",
		`x.n`:          "expectation 1: expected true or false, got int",
		`x.s + 1 == 2`: "expectation 1: no such overload",
		`x.all.map(a, x.all.map(b, x.all.map(c, x.all.map(d, 1)))).size() == 1`: "expectation 1: operation cancelled: actual cost limit exceeded",
		`["a"].sum() == 1`: "expectation 1: sum() wants a list of numbers, one is string",
	} {
		value := map[string]any{"n": 1.0, "s": "a", "all": make([]any, 100)}
		v := judge(t, world(value), one, check.Expectation{That: "x != null && (" + that + ")", Saw: `"no"`})
		if that == `x.n` {
			v = judge(t, world(value), one, check.Expectation{That: that, Saw: `"no"`})
		}
		if v.Holds || v.Saw != "" || !strings.HasPrefix(v.Fault, want) {
			t.Errorf("%s: %+v", that, v)
		}
	}
	for saw, want := range map[string]string{`x.y`: "what expectation 1 saw: no such key: y", `x.n`: "what expectation 1 saw: expected a string, got int"} {
		v := judge(t, world(map[string]any{"n": 1.0}), one, check.Expectation{That: "x == null", Saw: saw})
		if v.Fault != want {
			t.Errorf("%s: %+v", saw, v)
		}
	}
	w := world(nil)
	w.Objects = func(context.Context, mlops.LabObjects) (any, error) { return nil, errors.New("no cluster") }
	if v := judge(t, w, one, check.Expectation{That: "x == null", Saw: `"no"`}); v.Fault != "x: no cluster" {
		t.Errorf("got %+v", v)
	}
}

func TestWrongExpression(t *testing.T) {
	l := check.NewLook(t.Context(), world(nil), env)
	defer l.Close()
	v := l.Judge(check.New(one, []check.Expectation{{That: "y == 1", Saw: `"no"`}}))
	if v.Fault != "CEL, at letter 1: undeclared reference to 'y' (in container '')" {
		t.Errorf("got %+v", v)
	}
}

func TestSourceThatIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(nil)
		w.Objects = func(ctx context.Context, _ mlops.LabObjects) (any, error) { <-ctx.Done(); return nil, ctx.Err() }
		began := time.Now()
		v := judge(t, w, one, check.Expectation{That: "x == null", Saw: `"no"`})
		if v.Fault != "x: no answer in time (3s)" || time.Since(began) != 3*time.Second {
			t.Errorf("after %s: %+v", time.Since(began), v)
		}
	})
}

// Five scripts that each take nearly all of their time are all answered: they don't
// share the machine, and a script's time begins when it does.
func TestScriptsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		at, most := 0, 0
		w := world(nil)
		w.Script = func(ctx context.Context, _ string, _ time.Duration) (mlops.LabOutput, error) {
			mu.Lock()
			at++
			most = max(most, at)
			mu.Unlock()
			defer func() { mu.Lock(); at--; mu.Unlock() }()
			select {
			case <-time.After(4 * time.Second):
				return mlops.LabOutput{}, nil
			case <-ctx.Done():
				return mlops.LabOutput{}, ctx.Err()
			}
		}
		l := check.NewLook(t.Context(), w, env)
		defer l.Close()
		var all sync.WaitGroup
		for _, text := range []string{"a", "b", "c", "d", "e"} {
			all.Go(func() {
				c := check.New(map[string]check.Source{"x": {Script: &check.Script{Text: text, Timeout: 5 * time.Second}}}, []check.Expectation{{That: "x.code == 0", Saw: `"no"`}})
				if v := l.Judge(c); !v.Holds {
					t.Errorf("script %s: %+v", text, v)
				}
			})
		}
		all.Wait()
		if most != 2 {
			t.Errorf("%d scripts ran at once, want 2", most)
		}
	})
}

// A look that is closed leaves no script waiting for its turn.
func TestClosedLookStartsNoScript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran atomic.Int64
		w := world(nil)
		w.Script = func(ctx context.Context, _ string, _ time.Duration) (mlops.LabOutput, error) {
			ran.Add(1)
			<-ctx.Done()
			return mlops.LabOutput{}, ctx.Err()
		}
		l := check.NewLook(t.Context(), w, env)
		for _, text := range []string{"a", "b", "c"} {
			go l.Judge(check.New(map[string]check.Source{"x": {Script: &check.Script{Text: text, Timeout: time.Minute}}}, []check.Expectation{{That: "x.code == 0", Saw: `"no"`}}))
		}
		synctest.Wait()
		l.Close()
		if n := ran.Load(); n != 2 {
			t.Errorf("%d scripts ran, want 2", n)
		}
	})
}

func TestEverySource(t *testing.T) {
	var asked []string
	note := func(format string, args ...any) { asked = append(asked, fmt.Sprintf(format, args...)) }
	w := check.World{
		Now: func() time.Time { return time.Unix(0, 0) },
		Objects: func(_ context.Context, q mlops.LabObjects) (any, error) {
			note("%+v", q)
			if q.Name == "" {
				return []any{map[string]any{"n": 1.0}}, nil
			}
			return nil, nil
		},
		Call: func(_ context.Context, method, path string, body []byte) (int, any, error) {
			note("%s %s %s", method, path, body)
			if method == http.MethodPost {
				return 404, map[string]any{"error_code": "RESOURCE_DOES_NOT_EXIST"}, nil
			}
			return 200, map[string]any{"n": 1.0}, nil
		},
		Listed: func(_ context.Context, bucket, prefix string) ([]mlops.ObjectInfo, bool, error) {
			note("%s/%s", bucket, prefix)
			return []mlops.ObjectInfo{{Key: "models/a", Bytes: 7, ETag: "e", ModifiedAt: time.Unix(0, 0)}}, true, nil
		},
		Query: func(_ context.Context, promql string, at time.Time) ([]mlops.Sample, error) {
			note("%s at %d", promql, at.Unix())
			return []mlops.Sample{{Labels: map[string]string{"pod": "a"}, Value: 2}}, nil
		},
		Script: func(_ context.Context, text string, timeout time.Duration) (mlops.LabOutput, error) {
			note("%s %s", text, timeout)
			return mlops.LabOutput{Code: 3, Stdout: `{"n": 1}`, Stderr: "bad"}, nil
		},
	}
	for _, tt := range []struct {
		source     check.Source
		that, asks string
	}{
		{check.Source{Object: &check.Objects{Kind: "Pod", Namespace: "${LAB}", Name: "a"}}, "x == null", "{APIVersion: Kind:Pod Namespace:lab-x Name:a Labels: Fields:}"},
		{check.Source{Objects: &check.Objects{Kind: "Node", Namespace: "-", Labels: "a=${LAB}"}}, "x[0].n == 1", "{APIVersion: Kind:Node Namespace: Name: Labels:a=lab-x Fields:}"},
		{check.Source{API: &check.API{Path: "/api/x?name=${LAB}"}}, "x.status == 200 && x.json.n == 1", "GET /api/x?name=lab-x "},
		{check.Source{API: &check.API{Path: "/api/x", Body: `{"name":"${LAB}"}`}}, `x.status == 404 && x.json.error_code.startsWith("RES")`, `POST /api/x {"name":"lab-x"}`},
		{check.Source{S3: &check.S3{Bucket: "${LAB}", Prefix: "models/"}}, `x.there && x.objects[0] == {"key": "models/a", "size": 7, "etag": "e", "modified": "1970-01-01T00:00:00Z"}`, "lab-x/models/"},
		{check.Source{PromQL: `sum(x{namespace="${LAB}"})`}, `x[0].value == 2 && x[0].labels.pod == "a"`, `sum(x{namespace="lab-x"}) at 0`},
		{check.Source{Script: &check.Script{Name: "a.sh", Text: "echo ${LAB}", Timeout: time.Second}}, `x.code == 3 && x.json.n == 1 && x.err == "bad" && x.out.contains("n")`, "echo ${LAB} 1s"},
	} {
		asked = nil
		v := judge(t, w, map[string]check.Source{"x": tt.source}, check.Expectation{That: tt.that, Saw: `"no"`})
		if !v.Holds || len(asked) != 1 || asked[0] != tt.asks {
			t.Errorf("%s: %+v, asked %q", tt.that, v, asked)
		}
	}
	w.Call = func(context.Context, string, string, []byte) (int, any, error) { return 503, nil, nil }
	if v := judge(t, w, map[string]check.Source{"x": {API: &check.API{Path: "/api/x"}}}, check.Expectation{That: "x.status == 200", Saw: `"no"`}); v.Fault != "x: GET /api/x answered 503" {
		t.Errorf("an API that is away is our fault: %+v", v)
	}
	for name, s := range map[string]check.Source{"s3": {S3: &check.S3{}}, "promql": {PromQL: "up"}, "script": {Script: &check.Script{Timeout: time.Second}}, "api": {API: &check.API{}}} {
		broken := check.World{Now: time.Now,
			Call: func(context.Context, string, string, []byte) (int, any, error) { return 0, nil, errors.New("away") },
			Listed: func(context.Context, string, string) ([]mlops.ObjectInfo, bool, error) {
				return nil, false, errors.New("away")
			},
			Query: func(context.Context, string, time.Time) ([]mlops.Sample, error) { return nil, errors.New("away") },
			Script: func(context.Context, string, time.Duration) (mlops.LabOutput, error) {
				return mlops.LabOutput{}, errors.New("away")
			}}
		if v := judge(t, broken, map[string]check.Source{"x": s}, check.Expectation{That: "x != null", Saw: `"no"`}); v.Fault != "x: away" {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestHTTP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/json":
			w.Header().Set("X-Pod", "a")
			fmt.Fprintf(w, `{"host": %q, "method": %q, "header": %q}`, r.Host, r.Method, r.Header.Get("X-In"))
		case "/away":
			http.Redirect(w, r, "/json", http.StatusFound)
		case "/big":
			fmt.Fprint(w, strings.Repeat("a", 100<<10))
		case "/slow":
			<-r.Context().Done()
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	w := check.World{Now: time.Now, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		switch address {
		case "model.lab-x.svc:80":
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		case "nobody.lab-x.svc:80":
			return nil, &net.OpError{Op: "dial", Err: errors.New("connect: connection refused")}
		}
		return nil, &net.DNSError{Name: address, Err: "no such host"}
	}}
	for _, tt := range []struct {
		http check.HTTP
		that string
	}{
		{check.HTTP{URL: "http://model.${LAB}.svc/json", Method: "POST", Headers: map[string]string{"Host": "a.${DOMAIN}", "X-In": "in"}}, `x.status == 200 && x.json.host == "a.lab.internal" && x.json.method == "POST" && x.json.header == "in" && x.headers["x-pod"] == "a" && x.error == "" && x.ms > 0`},
		{check.HTTP{URL: "http://model.${LAB}.svc/none", Method: "GET"}, `x.status == 404 && x.json == null && x.body.contains("not found")`},
		{check.HTTP{URL: "http://model.${LAB}.svc/away", Method: "GET"}, `x.status == 302 && x.headers.location == "/json"`},
		{check.HTTP{URL: "http://model.${LAB}.svc/big", Method: "GET"}, `x.status == 200 && x.body.size() == 65536`},
		{check.HTTP{URL: "http://model.${LAB}.svc/slow", Method: "GET", Timeout: 50 * time.Millisecond}, `x.status == 0 && x.error == "no answer within 50ms"`},
		{check.HTTP{URL: "http://nobody.${LAB}.svc/", Method: "GET"}, `x.status == 0 && x.error == "connection refused" && x.body == "" && x.json == null`},
		{check.HTTP{URL: "http://none.${LAB}.svc/", Method: "GET"}, `x.status == 0 && x.error == "the name none.lab-x.svc:80 is not known"`},
	} {
		if tt.http.Timeout == 0 {
			tt.http.Timeout = 2 * time.Second
		}
		v := judge(t, w, map[string]check.Source{"x": {HTTP: &tt.http}}, check.Expectation{That: tt.that, Saw: `string(x.status) + " " + x.error`})
		if !v.Holds {
			t.Errorf("%s: %+v", tt.http.URL, v)
		}
	}
}

// Checks of one look share what they ask word for word, and ask only what an
// expectation comes to need: a script behind one that is false does not run.
func TestSharing(t *testing.T) {
	var objects, scripts atomic.Int64
	w := check.World{Now: time.Now,
		Objects: func(context.Context, mlops.LabObjects) (any, error) { objects.Add(1); return nil, nil },
		Script: func(context.Context, string, time.Duration) (mlops.LabOutput, error) {
			scripts.Add(1)
			return mlops.LabOutput{}, nil
		}}
	script := check.Source{Script: &check.Script{Text: "x", Timeout: time.Second}}
	compile := func(name, first string) *check.Check {
		return check.New(map[string]check.Source{name: one["x"], "s": script},
			[]check.Expectation{{That: name + first, Saw: `"no"`}, {That: "s.code == 1", Saw: `"no"`}})
	}
	l := check.NewLook(t.Context(), w, env)
	if v := l.Judge(compile("a", " != null")); v.Holds || v.Index != 0 {
		t.Errorf("got %+v", v)
	}
	if objects.Load() != 1 || scripts.Load() != 0 {
		t.Errorf("%d objects and %d scripts", objects.Load(), scripts.Load())
	}
	for _, name := range []string{"b", "c"} {
		if v := l.Judge(compile(name, " == null")); v.Index != 1 {
			t.Errorf("got %+v", v)
		}
	}
	l.Close()
	if objects.Load() != 1 || scripts.Load() != 1 {
		t.Errorf("%d objects and %d scripts", objects.Load(), scripts.Load())
	}
}

func TestExpand(t *testing.T) {
	for text, want := range map[string]string{
		"${LAB} $LAB $${LAB} ${lab} ${LAB:-x} $": "lab-x $LAB ${LAB} ${lab} ${LAB:-x} $",
		"${UNKNOWN} ${MLFLOW_TRACKING_PASSWORD}": "${UNKNOWN} ${MLFLOW_TRACKING_PASSWORD}",
		"nothing":                                "nothing",
	} {
		if got := check.Expand(text, env); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
