# The Service sends requests to port 80 of the pods, where nothing listens.
kubectl apply -f - <<'YAML'
apiVersion: v1
kind: Service
metadata:
  name: model
spec:
  selector:
    app: model
  ports:
  - port: 80
    targetPort: 80
YAML
