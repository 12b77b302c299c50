newest=$(sh api.sh "/api/2.0/mlflow/registered-models/get?name=$PROJECT" | jq -r '.registered_model.latest_versions[0].version')
wait_for() {
  for try in $(seq 40); do
    [ "$(sh api.sh "/api/deployments/$PROJECT/revisions" | jq -r '.revisions[0].state')" = live ] && return
    sleep 0.5
  done
  return 1
}
if ! sh api.sh "/api/deployments/$PROJECT/revisions" | jq -e '.revisions | any(.cause == "rollback")' >/dev/null; then
  sh api.sh "/api/deployments/$PROJECT/rollback" '{"reason": "trying the way back"}'
  wait_for
fi
sh api.sh "/api/deployments/$PROJECT/promote" "{\"version\": $newest, \"reason\": \"it was no mistake\"}"
wait_for
