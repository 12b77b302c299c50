sh api.sh "/api/deployments/$PROJECT/resume" "{}"
newest=$(sh api.sh "/api/2.0/mlflow/registered-models/get?name=$PROJECT" | jq -r ".registered_model.latest_versions[0].version")
sh api.sh "/api/deployments/$PROJECT/promote" "{\"version\": $newest}"
