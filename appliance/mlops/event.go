package mlops

import "time"

// Event is a Kubernetes event.
type Event struct {
	Time      time.Time `json:"time"`
	Type      string    `json:"type"` // Normal or Warning
	Reason    string    `json:"reason"`
	Object    string    `json:"object"` // kind/name
	Namespace string    `json:"namespace"`
	Message   string    `json:"message"`
	Count     int       `json:"count"`
}
