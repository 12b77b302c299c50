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
    targetPort: 8080
YAML
