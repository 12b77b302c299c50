kubectl patch deployment model --type strategic -p '{"spec": {"template": {"spec": {"containers": [
  {"name": "server", "env": [{"name": "MODEL", "value": "v2"}], "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}}}]}}}}'
kubectl rollout status deployment/model --timeout=100s
