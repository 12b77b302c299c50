# The Service selects a label that only the shop's pod has.
kubectl apply -f - <<'YAML'
apiVersion: v1
kind: Service
metadata:
  name: model
spec:
  selector:
    app: shop
  ports:
  - port: 80
    targetPort: 8080
YAML
