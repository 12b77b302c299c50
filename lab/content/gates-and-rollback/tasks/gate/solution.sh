./api "projects/$PROJECT/gates" -X PUT -d '{"metrics": {"latency_p95_ms": {"maximum": 20}}}'
committees=$(./api "2.0/mlflow/model-versions/search?filter=name%3D%27$PROJECT%27&max_results=200" |
	jq -c '[.model_versions[]? | select(any(.tags[]?; .key == "kind" and .value == "committee")) | .version | tonumber]')
refused() {
	./api "deployments/$PROJECT/revisions" | jq --argjson c "$committees" 'any(.revisions[]; .state == "rejected" and ([.version] | inside($c)))'
}
if [ "$(refused)" = true ]; then exit 0; fi
./api "deployments/$PROJECT/promote" -d "{\"version\": $(echo "$committees" | jq max)}"
for i in $(seq 100); do
	if [ "$(refused)" = true ]; then exit 0; fi
	sleep 1
done
exit 1
