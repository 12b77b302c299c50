api() { path=$1; shift; curl -sS --fail-with-body -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" -H "Content-Type: application/json" "$@" "$API_URL/$path"; }
committees() {
	api "2.0/mlflow/model-versions/search?filter=name%3D%27$PROJECT%27&max_results=200" |
		jq -c "[.model_versions[]? | select(any(.tags[]?; .key == \"kind\" and .value == \"committee\")) | .version | tonumber]"
}
# The gates go too: the candidate of the next try is served without any.
api "projects/$PROJECT/gates" -X PUT -d '{}'
if [ "$(api "deployments/$PROJECT" | jq .pinned)" = true ]; then api "deployments/$PROJECT/unpin" -X POST; fi
if [ "$(api "deployments/$PROJECT" | jq .paused)" = true ]; then api "deployments/$PROJECT/resume" -X POST; fi
mine=$(committees)
good=$(api "deployments/$PROJECT/revisions" | jq --argjson c "$mine" '[.revisions[] | select(.live_at and ([.version] | inside($c) | not))][0].number')
if [ "$(api "deployments/$PROJECT" | jq --argjson c "$mine" '[.revision.version] | inside($c)')" = true ]; then
	api "deployments/$PROJECT/rollback" -d "{\"to\": $good, \"reason\": \"reset\"}"
fi
for v in $(echo "$mine" | jq '.[]'); do
	api 2.0/mlflow/model-versions/delete -X DELETE -d "{\"name\": \"$PROJECT\", \"version\": \"$v\"}"
done
