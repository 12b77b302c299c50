kubectl patch deployment model --type strategic -p '{"spec": {"template": {"spec": {"containers": [
  {"name": "server", "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1}}]}}}}'
kubectl rollout status deployment/model --timeout=100s
