api() { path=$1; shift; curl -sS --fail-with-body -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" -H "Content-Type: application/json" "$@" "$API_URL/$path"; }
committees() {
	api "2.0/mlflow/model-versions/search?filter=name%3D%27$PROJECT%27&max_results=200" |
		jq -c "[.model_versions[]? | select(any(.tags[]?; .key == \"kind\" and .value == \"committee\")) | .version | tonumber]"
}
# The committee answers again, whatever the gates say. If there is none, or it never stopped, nothing is to undo.
version=$(committees | jq 'max // empty')
if [ -z "$version" ] || [ "$(api "deployments/$PROJECT" | jq .revision.version)" = "$version" ]; then exit 0; fi
api "deployments/$PROJECT/promote" -d "{\"version\": $version, \"override\": true, \"reason\": \"reset of the task\"}"
