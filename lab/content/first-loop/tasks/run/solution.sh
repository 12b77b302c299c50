version=$(sh api.sh "/api/2.0/mlflow/registered-models/get?name=$PROJECT" | jq -r '.registered_model.latest_versions[0].version')
sh note.sh version "$version"
sh note.sh run "$(sh api.sh "/api/lineage/model-versions/$PROJECT/$version" | jq -r .run.run_id)"
sh note.sh dataset "$(sh api.sh "/api/lineage/model-versions/$PROJECT/$version" | jq -r '.datasets[0].sha256')"
