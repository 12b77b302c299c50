# The notebooks take the GPUs again, as many as the learner has counted, and smi waits again.
count=$(kubectl get configmap gpus --ignore-not-found -o jsonpath='{.data.allocatable}')
if [ "${count:-0}" -gt 20 ] 2>/dev/null; then count=20; fi
kubectl scale deployment notebook --replicas "${count:-1}"
kubectl rollout status deployment notebook --timeout 1s >/dev/null 2>&1 || true
kubectl get pod smi -o json --ignore-not-found | jq 'del(.status, .spec.nodeName, .metadata.uid, .metadata.resourceVersion)' > /tmp/smi.json
if [ -s /tmp/smi.json ]; then kubectl replace --force --grace-period 0 -f /tmp/smi.json; fi
