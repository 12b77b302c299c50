kubectl delete jobs -n "$PROJECT" -l app.kubernetes.io/component=trainer --wait=false
