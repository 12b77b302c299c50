# First a way to end kindly, for the pods that will go; then the version.
kubectl patch deployment model --type strategic -p '{"spec": {"template": {"spec": {"containers": [
  {"name": "server", "env": [{"name": "MODEL", "value": "v1"}], "lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}]}}}}'
kubectl rollout status deployment/model --timeout=100s
sleep 6
kubectl set env deployment/model MODEL=v2
kubectl rollout status deployment/model --timeout=100s
