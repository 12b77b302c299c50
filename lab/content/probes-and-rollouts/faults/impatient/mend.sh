kubectl patch deployment model --type strategic -p '{"spec": {
  "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
  "template": {"spec": {"containers": [{"name": "server", "livenessProbe": null}]}}}}'
kubectl rollout status deployment/model --timeout=100s
