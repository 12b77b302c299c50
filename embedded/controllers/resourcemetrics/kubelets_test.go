package resourcemetrics

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestReadingsAreSharedForAMoment(t *testing.T) {
	asked := map[string]int{}
	k := &kubelets{last: map[string]reading{}, read: func(_ context.Context, node string) ([]byte, error) {
		asked[node]++
		switch node {
		case "down":
			return nil, errors.New("connection refused")
		case "odd":
			return []byte("<html>"), nil
		}
		return []byte(`{"node":{"nodeName":"` + node + `"}}`), nil
	}}
	for range 3 {
		got, err := k.summaries([]string{"a", "down", "odd"})
		if err != nil || len(got) != 1 || got[0].Node.NodeName != "a" {
			t.Fatalf("the readings are %v (%v), expected the one of a", got, err)
		}
	}
	if asked["a"] != 1 || asked["down"] != 3 {
		t.Errorf("the kubelets were asked %v, expected a once and the others each time", asked)
	}
	k.last["a"] = reading{time.Now().Add(-fresh), k.last["a"].summary}
	if _, err := k.summaries([]string{"a"}); err != nil || asked["a"] != 2 {
		t.Errorf("an old reading was served (%v)", err)
	}
	_, err := k.summaries([]string{"down", "odd"})
	for _, want := range []string{"read the usage of node down: connection refused", "decode the usage of node odd: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, expected %q in it", err, want)
		}
	}
}
