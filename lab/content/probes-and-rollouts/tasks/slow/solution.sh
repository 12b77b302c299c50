kubectl patch deployment forest --type strategic -p '{"spec": {"template": {"spec": {"containers": [
  {"name": "server", "startupProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1, "failureThreshold": 60},
   "livenessProbe": {"initialDelaySeconds": 0}}]}}}}'
kubectl rollout status deployment/forest --timeout=100s
