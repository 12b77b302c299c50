package mlops

// Traffic is what a deployment answered over a window.
type Traffic struct {
	RequestsPerSecond float64 `json:"requests_per_second"`
	ErrorsPerSecond   float64 `json:"errors_per_second"` // 5xx
	P50Seconds        float64 `json:"p50_seconds"`       // NaN when idle
	P99Seconds        float64 `json:"p99_seconds"`       // NaN when idle
}
