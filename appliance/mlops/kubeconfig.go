package mlops

import "time"

// KubeconfigUser is somebody who was given a kubeconfig of the lab's cluster.
type KubeconfigUser struct {
	Name      string    `json:"name"`
	Role      string    `json:"role"` // a cluster role
	CreatedAt time.Time `json:"created_at"`
}
