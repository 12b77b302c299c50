# Back to the first version: the way forward is to be found again. A version that
# is being put into service now has to be there first.
ask() { curl -sf -m 2 -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" -H 'Content-Type: application/json' "$@"; }
deployment=$API_URL/deployments/$PROJECT
for try in $(seq 16); do
  case $(ask "$deployment/revisions" | jq -r '.revisions[0] | "\(.version) \(.state)"') in
  "1 live") break ;;
  *" judging" | *" waiting" | *" starting") sleep 0.5 ;;
  *) ask -X POST -d '{"version": 1, "reason": "the task begins anew"}' "$deployment/promote" && break ;;
  esac
done
