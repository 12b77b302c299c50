kubectl scale deployment batch --replicas 0
kubectl apply -f - <<YAML
apiVersion: apps/v1
kind: Deployment
metadata:
  name: report
spec:
  replicas: 1
  strategy: {type: Recreate}
  selector:
    matchLabels: {app: report}
  template:
    metadata:
      labels: {app: report}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 1
      containers:
      - name: report
        image: ${PYTHON_IMAGE}
        command: [busybox, sleep, "864000"]
        resources:
          requests: {cpu: 10m, memory: 128Mi}
          limits: {memory: 128Mi}
YAML
kubectl rollout status deployment report --timeout 30s
kubectl scale deployment batch --replicas 3
