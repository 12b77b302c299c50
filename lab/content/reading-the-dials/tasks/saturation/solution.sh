kubectl scale deployment model --replicas=5
kubectl set env deployment/caller RATE=36
sh dial.sh saturation "sum(rate(model_busy_seconds_total{namespace=\"$LAB\"}[1m])) / sum(model_slots{namespace=\"$LAB\"})"
kubectl rollout status deployment/model --timeout=100s
