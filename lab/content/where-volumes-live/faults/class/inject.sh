kubectl apply -f - <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: models-v2
spec:
  storageClassName: fast
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 200Mi
YAML
kubectl patch deployment server -p '{"spec":{"template":{"spec":{"volumes":[{"name":"models","persistentVolumeClaim":{"claimName":"models-v2"}}]}}}}'
