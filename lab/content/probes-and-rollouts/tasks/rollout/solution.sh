# First a way to end kindly, for the pods that will go; then the version. 8 s are enough on a busy machine, too.
kubectl patch deployment model --type strategic -p '{"spec": {"template": {"spec": {"containers": [
  {"name": "server", "env": [{"name": "MODEL", "value": "v1"}], "lifecycle": {"preStop": {"sleep": {"seconds": 8}}}}]}}}}'
kubectl rollout status deployment/model --timeout=100s
sleep 6
# The first pods stopped without warning. What that lost is older than ten seconds when v2 begins.
until curl -s -m 3 "http://caller.$LAB.svc" | jq -e '.last_10_seconds.failed == 0' >/dev/null; do sleep 1; done
kubectl set env deployment/model MODEL=v2
kubectl rollout status deployment/model --timeout=100s
