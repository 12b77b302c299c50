# A second time, the Job is there already.
kubectl get job second -n "$PROJECT" >/dev/null 2>&1 || kubectl create job second --from="cronjob/$PROJECT-trainer" -n "$PROJECT"
kubectl wait job/second -n "$PROJECT" --for=condition=complete --timeout=100s
