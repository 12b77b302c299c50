package mlflow

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
)

// hexToBase64 rewrites the ids in OTLP's JSON, which are hex, as protobuf's
// JSON mapping wants bytes.
func hexToBase64(b []byte) ([]byte, error) {
	var v any
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber() // times in nanoseconds do not fit a double
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	rewriteIDs(v)
	return json.Marshal(v)
}

func rewriteIDs(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			rewriteIDs(e)
		}
	case map[string]any:
		for k, e := range v {
			switch k {
			case "traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id":
				if s, ok := e.(string); ok {
					if raw, err := hex.DecodeString(s); err == nil {
						v[k] = base64.StdEncoding.EncodeToString(raw)
					}
				}
			default:
				rewriteIDs(e)
			}
		}
	}
}
