package mlops

import (
	"reflect"
	"testing"
)

func TestCodeOptions(t *testing.T) {
	before := Project{Name: "prices", Schedule: "0 3 * * *", TimeZone: "UTC", Environment: Variables{"A": "1"},
		Resources: TrainerResources{Requests: ResourceAmounts{CPU: "100m", Memory: "256Mi"}, Limits: ResourceAmounts{Memory: "1Gi"}}}
	if got := (CodeOptions{}).Of(before); !got.Equal(before) {
		t.Errorf("options that ask for nothing make %+v", got)
	}
	none, zone := "", "Europe/Berlin"
	got := CodeOptions{Schedule: &none, TimeZone: &zone, Params: `{ "C": 2 }`, CPU: "2", Memory: "2Gi", GPU: 1, Environment: Variables{"B": "2"}}.Of(before)
	want := Project{Name: "prices", TimeZone: "Europe/Berlin", Params: `{"C":2}`, GPU: GPURequests{Training: 1}, Environment: Variables{"B": "2"},
		Resources: TrainerResources{Requests: ResourceAmounts{CPU: "2", Memory: "2Gi"}, Limits: ResourceAmounts{CPU: "2", Memory: "2Gi"}},
		Edited:    EditedFields{Schedule: true, TimeZone: true, Params: true, Resources: true, Environment: true}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("they make\n%+v, want\n%+v", got, want)
	}
}
