package uitest

import (
	"slices"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Ailing returns a full lab whose deployment has one server that needs too much
// memory, one that starts again and again, and one that is well.
func Ailing(now func() time.Time) *World {
	w := Full(now)
	t := now()
	d := &w.Deployments[0]
	well := d.Pods[0]
	greedy, broken := well, well
	greedy.Name, greedy.Ready, greedy.Restarts = "iris-7c9d8b6f54-m4xzt", false, 2
	greedy.LastExit = &mlops.Exit{At: t.Add(-3 * time.Minute), Code: 137, Reason: "OOMKilled"}
	greedy.Message = "OOMKilled (exit code 137)"
	broken.Name, broken.Ready, broken.Restarts = "iris-7c9d8b6f54-b7kfd", false, 7
	broken.LastExit = &mlops.Exit{At: t.Add(-time.Minute), Code: 1, Reason: "Error"}
	broken.Waiting, broken.Message = "CrashLoopBackOff", "CrashLoopBackOff: back-off 2m40s restarting failed container=server pod=iris-7c9d8b6f54-b7kfd_iris"
	d.Replicas, d.Pods, d.Message = 3, []mlops.Pod{broken, greedy, well}, broken.Message
	w.Pods = append(slices.Clone(w.Pods), greedy, broken)
	for _, p := range []mlops.Pod{greedy, broken} {
		w.Logs[p.Namespace+"/"+p.Name] = serverLog(p.Name)[:6]
	}
	w.Findings = []mlops.Finding{
		{Check: "iris pod b7kfd", Level: mlops.LevelFail, Detail: "pod b7kfd keeps ending: last with exit code 1 (Error, 7 restarts)",
			Seen: "Traceback (most recent call last):\n  File \"/opt/benchtop/serve.py\", line 12, in <module>\nModuleNotFoundError: No module named 'xgboost'",
			Fix:  "read what it said last; if a new version began this, roll back to the one before", Command: "benchtop logs iris", Place: "#logs"},
		{Check: "iris pod m4xzt", Level: mlops.LevelFail, Detail: "pod m4xzt needed more than its memory limit of 512 MiB and was killed (OOMKilled, exit code 137, 2 restarts)",
			Fix: "serve a smaller model, send smaller requests, or roll back to the version before", Command: "benchtop rollback iris", Place: "#history"},
		{Check: "disk", Level: mlops.LevelWarn, Detail: "the disk is nearly full: 1024 MiB of 102400 MiB are free. Predictions go on; trainings and uploads will fail",
			Fix: "delete old runs and artifacts, or move the data dir to a larger disk"},
		{Check: "iris release", Level: mlops.LevelWarn, Detail: "version 13 is not served: said at the head of the page", Fix: "see there", Place: "#history"}}
	return w
}
