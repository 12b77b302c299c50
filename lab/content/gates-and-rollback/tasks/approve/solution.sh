./api "projects/$PROJECT/gates" -X PUT -d '{"metrics": {"latency_p95_ms": {"maximum": 20}}, "approval": "required"}'
committees=$(./api "2.0/mlflow/model-versions/search?filter=name%3D%27$PROJECT%27&max_results=200" |
	jq -c '[.model_versions[]? | select(any(.tags[]?; .key == "kind" and .value == "committee")) | .version | tonumber]')
# A version that was approved after the first committee had come.
approved() {
	./api "deployments/$PROJECT/revisions" | jq --argjson c "$committees" '([.revisions[] | select([.version] | inside($c)) | .number] | min) as $first |
		any(.revisions[]; .approved_by and .live_at and (.override | not) and .number > $first)'
}
if [ "$(approved)" = true ]; then exit 0; fi
state() { ./api "deployments/$PROJECT/revisions" | jq -r '.revisions[0].state'; }
if [ "$(state)" != waiting ]; then ./api "projects/$PROJECT/train" -X POST; fi
for i in $(seq 100); do
	if [ "$(state)" = waiting ]; then break; fi
	sleep 1
done
./api "deployments/$PROJECT/approve" -d '{"reason": "as quick as the one before, and as good"}'
for i in $(seq 20); do
	if [ "$(approved)" = true ]; then exit 0; fi
	sleep 1
done
exit 1
