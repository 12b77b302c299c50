package mlops

import (
	"reflect"
	"time"
)

// Project ties a dataset or code of its own, a trainer on a schedule and a
// deployment together.
// Its name is also its namespace, experiment and registered model.
type Project struct {
	ID      int64        `json:"id"`
	Name    string       `json:"name"`
	Dataset string       `json:"dataset,omitempty"` // name of the dataset, newest version is used; "" with code of its own
	Code    *ProjectCode `json:"code,omitempty"`    // what was pushed last; nil trains with the lab's own trainer
	// CodeEnvironment is the request of the environment that the code runs in, "" for
	// the lab's Python as it is.
	CodeEnvironment string           `json:"code_environment,omitempty"`
	Schedule        string           `json:"schedule"`         // five-field cron, "" for trainings by hand only
	TimeZone        string           `json:"time_zone"`        // IANA name; the schedule's hours are this zone's
	Params          JSONObject       `json:"params,omitempty"` // hyper-parameters of the trainer
	Resources       TrainerResources `json:"resources"`
	GPU             GPURequests      `json:"gpu,omitzero"`
	Environment     Variables        `json:"environment,omitempty"` // of the trainer, besides what Benchtop sets
	Edited          EditedFields     `json:"edited"`
	Node            string           `json:"node"`               // node that holds the project's volume
	Deleting        bool             `json:"deleting,omitempty"` // it goes as soon as the cluster has let go of it
	Gates           Gates            `json:"gates"`              // what a version must pass before it is served
	CreatedAt       time.Time        `json:"created_at"`
}

// Equal reports whether two rows of a project say the same.
func (p Project) Equal(q Project) bool { return reflect.DeepEqual(p, q) }
