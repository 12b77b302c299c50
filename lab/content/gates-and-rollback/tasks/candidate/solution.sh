committees() {
	./api "2.0/mlflow/model-versions/search?filter=name%3D%27$PROJECT%27&max_results=200" |
		jq -c '[.model_versions[]? | select(any(.tags[]?; .key == "kind" and .value == "committee")) | .version | tonumber]'
}
if [ "$(committees)" = "[]" ]; then python3 candidate.py; fi
for i in $(seq 60); do
	served=$(./api "deployments/$PROJECT/revisions" | jq --argjson c "$(committees)" 'any(.revisions[]; .live_at and ([.version] | inside($c)))')
	if [ "$served" = true ]; then exit 0; fi
	sleep 1
done
exit 1
