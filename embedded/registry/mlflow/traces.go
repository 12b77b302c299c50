package mlflow

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strings"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/traces"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

type traceRef struct {
	TraceID string `path:"trace_id"`
}

type traceTagReq struct {
	TraceID string `path:"trace_id"`
	Key     string `json:"key" req:"true"`
	Value   string `json:"value"`
}

type assessmentRef struct {
	TraceID      string `path:"trace_id"`
	AssessmentID string `path:"assessment_id"`
}

func infoAnswer(i wire.TraceInfo, err error) (any, error) {
	return map[string]any{"trace": map[string]any{"trace_info": i}}, err
}

func assessmentAnswer(a json.RawMessage, err error) (any, error) {
	return map[string]any{"assessment": a}, err
}

func (s *server) traces() {
	write(s, "POST traces", func(ctx context.Context, q *struct {
		Trace *wire.Trace `json:"trace" req:"true"`
	}) (any, error) {
		return infoAnswer(s.store.Traces.StartTrace(ctx, q.Trace.Info))
	})
	read(s, "GET traces/{trace_id}", func(ctx context.Context, q *traceRef) (any, error) {
		return infoAnswer(s.store.Traces.TraceInfo(ctx, q.TraceID))
	})
	read(s, "GET traces/get", func(ctx context.Context, q *struct {
		TraceID string `json:"trace_id" req:"true"`
	}) (any, error) {
		t, err := s.store.Traces.Trace(ctx, q.TraceID)
		return map[string]any{"trace": t}, err
	})
	type batch struct {
		TraceIDs []string `json:"trace_ids" req:"true"`
	}
	read(s, "GET traces/batchGet", func(ctx context.Context, q *batch) (any, error) {
		traces := []wire.Trace{}
		for _, id := range q.TraceIDs {
			t, err := s.store.Traces.Trace(ctx, id)
			if mlops.CodeOf(err) == mlops.NotFound {
				continue
			}
			if err != nil {
				return nil, err
			}
			traces = append(traces, t)
		}
		return map[string]any{"traces": traces}, nil
	})
	read(s, "POST traces/batchGetInfos", func(ctx context.Context, q *batch) (any, error) {
		infos := []wire.TraceInfo{}
		for _, id := range q.TraceIDs {
			i, err := s.store.Traces.TraceInfo(ctx, id)
			if mlops.CodeOf(err) == mlops.NotFound {
				continue
			}
			if err != nil {
				return nil, err
			}
			infos = append(infos, i)
		}
		return map[string]any{"trace_infos": infos}, nil
	})
	read(s, "POST traces/search", s.searchTraces)
	write(s, "PATCH traces/{trace_id}/tags", func(ctx context.Context, q *traceTagReq) (any, error) {
		return nil, s.store.Traces.SetTraceTag(ctx, q.TraceID, wire.KV{Key: q.Key, Value: q.Value})
	})
	write(s, "DELETE traces/{trace_id}/tags", func(ctx context.Context, q *traceTagReq) (any, error) {
		return nil, s.store.Traces.DeleteTraceTag(ctx, q.TraceID, q.Key)
	})
	write(s, "POST traces/delete-traces", func(ctx context.Context, q *struct {
		ExperimentID string      `json:"experiment_id" req:"true"`
		MaxTime      *wire.Int64 `json:"max_timestamp_millis"`
		Max          *wire.Int64 `json:"max_traces"`
		IDs          []string    `json:"request_ids"`
	}) (any, error) {
		n, err := s.store.Traces.DeleteTraces(ctx, q.ExperimentID, (*int64)(q.MaxTime), (*int64)(q.Max), q.IDs)
		return map[string]int64{"traces_deleted": n}, err
	})
	write(s, "POST traces/link-to-run", func(ctx context.Context, q *struct {
		TraceIDs []string `json:"trace_ids" req:"true"`
		RunID    string   `json:"run_id" req:"true"`
	}) (any, error) {
		return nil, s.store.Traces.LinkTracesToRun(ctx, q.TraceIDs, q.RunID)
	})
	write(s, "POST traces/link-prompts", func(ctx context.Context, q *struct {
		TraceID string             `json:"trace_id" req:"true"`
		Prompts []traces.PromptRef `json:"prompt_versions" req:"true"`
	}) (any, error) {
		return nil, s.store.Traces.LinkPromptsToTrace(ctx, q.TraceID, q.Prompts)
	})
	s.assessments()
	s.handle("POST /v1/traces", s.otlp)
}

func (s *server) assessments() {
	write(s, "POST traces/{trace_id}/assessments", func(ctx context.Context, q *struct {
		TraceID    string          `path:"trace_id"`
		Assessment json.RawMessage `json:"assessment" req:"true"`
	}) (any, error) {
		return assessmentAnswer(s.store.Traces.CreateAssessment(ctx, q.TraceID, q.Assessment))
	})
	read(s, "GET traces/{trace_id}/assessments/{assessment_id}", func(ctx context.Context, q *assessmentRef) (any, error) {
		return assessmentAnswer(s.store.Traces.Assessment(ctx, q.TraceID, q.AssessmentID))
	})
	write(s, "PATCH traces/{trace_id}/assessments/{assessment_id}", func(ctx context.Context, q *struct {
		TraceID      string          `path:"trace_id"`
		AssessmentID string          `path:"assessment_id"`
		Assessment   json.RawMessage `json:"assessment" req:"true"`
		Mask         string          `json:"update_mask" req:"true"`
	}) (any, error) {
		return assessmentAnswer(s.store.Traces.UpdateAssessment(ctx, q.TraceID, q.AssessmentID, q.Assessment, strings.Split(q.Mask, ",")))
	})
	write(s, "DELETE traces/{trace_id}/assessments/{assessment_id}", func(ctx context.Context, q *assessmentRef) (any, error) {
		return nil, s.store.Traces.DeleteAssessment(ctx, q.TraceID, q.AssessmentID)
	})
}

func (s *server) searchTraces(ctx context.Context, q *struct {
	Locations  []wire.TraceLocation `json:"locations"`
	Filter     string               `json:"filter"`
	MaxResults *wire.Int64          `json:"max_results"`
	OrderBy    []string             `json:"order_by"`
	PageToken  string               `json:"page_token"`
}) (any, error) {
	n, err := pageSize(q.MaxResults, 100, 500)
	if err != nil {
		return nil, err
	}
	var exps []string
	for _, l := range q.Locations {
		if id := l.MlflowExperiment.ExperimentID; id != "" {
			exps = append(exps, id)
		}
	}
	if len(exps) == 0 {
		return nil, invalid("locations must name at least one experiment")
	}
	ts, next, err := s.store.Traces.SearchTraces(ctx, exps, db.PageQuery{Filter: q.Filter, Max: n, OrderBy: q.OrderBy, Token: q.PageToken})
	return struct {
		T    []wire.TraceInfo `json:"traces,omitempty"`
		Next string           `json:"next_page_token,omitempty"`
	}{ts, next}, err
}

// otlp takes spans over OTLP/HTTP, which is how clients since MLflow 3.4 send
// them. TracesData has the same shape as the request message of the protocol.
func (s *server) otlp(w http.ResponseWriter, r *http.Request) {
	if err := s.mayWrite(r); err != nil {
		s.fail(w, r, err)
		return
	}
	data, err := readOTLP(r)
	if err == nil {
		exp := r.Header.Get("X-Mlflow-Experiment-Id")
		if exp == "" {
			err = invalid("the header X-MLflow-Experiment-Id must name the experiment of the spans")
		} else if err = s.reachSpans(r.Context(), data); err == nil {
			err = s.store.Traces.LogSpans(r.Context(), exp, r.Header.Get("X-Mlflow-Run-Id"), data)
		}
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.WriteHeader(http.StatusOK)
}

func readOTLP(r *http.Request) (*tracev1.TracesData, error) {
	var body io.Reader = http.MaxBytesReader(nil, r.Body, maxBody)
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, invalid("the body is not gzip: %v", err)
		}
		body = z
	default:
		return nil, invalid("content encoding %q is not supported: expected gzip or none", r.Header.Get("Content-Encoding"))
	}
	b, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if err != nil || len(b) > maxBody {
		return nil, invalid("the body could not be read, or is larger than %d MiB", maxBody>>20)
	}
	var data tracev1.TracesData
	switch kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind {
	case "application/x-protobuf":
		err = proto.Unmarshal(b, &data)
	case "application/json":
		if b, err = hexToBase64(b); err == nil {
			err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(b, &data)
		}
	default:
		return nil, invalid("content type %q is not supported: expected application/x-protobuf or application/json", r.Header.Get("Content-Type"))
	}
	if err != nil {
		return nil, invalid("the body is not an OTLP trace request")
	}
	return &data, nil
}
