kubectl apply -f - <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: models-v2
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 200Mi
YAML
node=$(kubectl get pods -l app=server -o jsonpath='{.items[0].spec.nodeName}')
kubectl patch deployment server -p "{\"spec\":{\"template\":{\"spec\":{\"nodeName\":\"$node\",\"volumes\":[{\"name\":\"models\",\"persistentVolumeClaim\":{\"claimName\":\"models-v2\"}}]}}}}"
