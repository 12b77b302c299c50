# The ingress passes on the path / and nothing below it.
kubectl create ingress model --rule="${LAB}.${DOMAIN}/=model:80" --dry-run=client -o yaml | kubectl apply -f -
