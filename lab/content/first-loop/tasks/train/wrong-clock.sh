kubectl get cronjobs,jobs -n "$PROJECT"
