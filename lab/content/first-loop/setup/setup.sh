# What a former stay has left: its trainings, and how the model was served.
ask() { curl -sf -m 5 -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" -H 'Content-Type: application/json' "$@"; }
for try in $(seq 30); do
  ask "$API_URL/projects/$PROJECT" | jq -e '.last_training.ended_at != null' >/dev/null && break
  sleep 1
done
kubectl delete jobs -n "$PROJECT" -l app.kubernetes.io/component=trainer --wait=false
ask -X PUT -d '{}' "$API_URL/projects/$PROJECT/gates"
deployment=$API_URL/deployments/$PROJECT
ask "$deployment" | jq -e '.paused | not' >/dev/null || ask -X POST "$deployment/resume"
ask "$deployment" | jq -e '.pinned | not' >/dev/null || ask -X POST "$deployment/unpin"
for try in $(seq 20); do
  state=$(ask "$deployment/revisions" | jq -r '.revisions[0] | "\(.version) \(.state)"')
  case $state in
  "1 live") break ;;
  *" judging" | *" waiting" | *" starting") ;;
  *) ask -X POST -d '{"version": 1, "reason": "the lab begins anew"}' "$deployment/promote" ;;
  esac
  sleep 0.5
done
