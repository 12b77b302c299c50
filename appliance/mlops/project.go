package mlops

import "time"

// Project ties a dataset, a trainer on a schedule and a deployment together.
// Its name is also its namespace, experiment and registered model.
type Project struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Dataset   string    `json:"dataset"`   // name of the dataset, newest version is used
	Schedule  string    `json:"schedule"`  // five-field cron
	TimeZone  string    `json:"time_zone"` // IANA name; the schedule's hours are this zone's
	Node      string    `json:"node"`      // node that holds the project's volume
	Gates     Gates     `json:"gates"`     // what a version must pass before it is served
	CreatedAt time.Time `json:"created_at"`
}
