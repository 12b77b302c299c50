package wire

import "encoding/json"

// TraceInfo is a trace without its spans.
type TraceInfo struct {
	TraceID           string            `json:"trace_id"`
	ClientRequestID   string            `json:"client_request_id,omitempty"`
	Location          TraceLocation     `json:"trace_location"`
	RequestTime       string            `json:"request_time"`                 // RFC 3339
	ExecutionDuration string            `json:"execution_duration,omitempty"` // seconds with an s, such as 0.218s
	State             Enum              `json:"state"`
	Metadata          map[string]string `json:"trace_metadata,omitempty"`
	Tags              map[string]string `json:"tags,omitempty"`
	RequestPreview    string            `json:"request_preview,omitempty"`
	ResponsePreview   string            `json:"response_preview,omitempty"`
	Assessments       []json.RawMessage `json:"assessments,omitempty"`
}

// TraceLocation says where a trace lies.
type TraceLocation struct {
	Type             Enum `json:"type,omitempty"`
	MlflowExperiment struct {
		ExperimentID string `json:"experiment_id"`
	} `json:"mlflow_experiment"`
}

// Trace is a trace with its spans, which are OTLP in JSON.
type Trace struct {
	Info  TraceInfo         `json:"trace_info"`
	Spans []json.RawMessage `json:"spans,omitempty"`
}
